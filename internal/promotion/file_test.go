package promotion_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion"
)

const file = `
- id: spring
  name: Spring sale
  percent: 10.5
  priority: -1
  tags: [tea, pots]
  variants: [BP-1]
  minimum: {EUR: 50.00, JPY: 8000}
  from: 2026-03-01T00:00:00+01:00
  until: 2026-04-01T00:00:00+02:00
- id: welcome
  name: Welcome
  code: welcome5
  amount: {usd: 5.50, EUR: 5, KWD: 1.500}
  enabled: false
`

func TestParse(t *testing.T) {
	t.Parallel()
	want := []promotion.Promotion{
		{
			ID: "spring", Name: "Spring sale", Priority: -1, BasisPoints: 1050, Tags: []string{"tea", "pots"}, Variants: []string{"BP-1"},
			Minimum: []money.Money{eur(5000), of("JPY", 8000)}, From: time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC),
			Until: time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC), Enabled: true,
		},
		{ID: "welcome", Name: "Welcome", Code: "WELCOME5", Amounts: []money.Money{eur(500), of("KWD", 1500), of("USD", 550)}},
	}
	got, err := promotion.Parse(strings.NewReader(file))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// The example of the page for merchants is one.
func TestParseOfTheGuide(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "run-promotions.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if all, err := promotion.Parse(strings.NewReader(example)); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const off = ", percent: 10}"
	for name, text := range map[string]string{
		"nothing":                       "",
		"no list":                       "id: a",
		"a field that is not there":     "[{id: a, name: a, percents: 10}]",
		"two documents":                 "[{id: a, name: a" + off + "]\n---\n[]",
		"no id":                         "[{name: a" + off + "]",
		"an id in capitals":             "[{id: A, name: a" + off + "]",
		"no name":                       "[{id: a" + off + "]",
		"a name that turns around":      "[{id: a, name: \"a\\u202eb\"" + off + "]",
		"two lines of name":             "[{id: a, name: \"a\\nb\"" + off + "]",
		"a short code":                  "[{id: a, name: a, code: AB" + off + "]",
		"a code with a blank":           "[{id: a, name: a, code: A BC" + off + "]",
		"nothing off":                   "[{id: a, name: a}]",
		"nothing per cent":              "[{id: a, name: a, percent: 0}]",
		"less than nothing":             "[{id: a, name: a, percent: -1}]",
		"more than everything":          "[{id: a, name: a, percent: 100.01}]",
		"a thousandth of a per cent":    "[{id: a, name: a, percent: 1.005}]",
		"a percentage that is a word":   "[{id: a, name: a, percent: ten}]",
		"both":                          "[{id: a, name: a, amount: {EUR: 1}" + off + "]",
		"an amount of nothing":          "[{id: a, name: a, amount: {EUR: 0}}]",
		"a negative amount":             "[{id: a, name: a, amount: {EUR: -1}}]",
		"a fraction of a yen":           "[{id: a, name: a, amount: {JPY: 1.5}}]",
		"no currency":                   "[{id: a, name: a, amount: {EURO: 1}}]",
		"a currency twice":              "[{id: a, name: a, amount: {EUR: 1, eur: 2}}]",
		"a minimum of nothing":          "[{id: a, name: a, minimum: {EUR: 0}" + off + "]",
		"a tag of nothing":              "[{id: a, name: a, tags: ['']" + off + "]",
		"a day without its zone":        "[{id: a, name: a, from: 2026-03-01" + off + "]",
		"a time without its zone":       "[{id: a, name: a, until: '2026-03-01T00:00:00'" + off + "]",
		"over before it begins":         "[{id: a, name: a, from: 2026-03-01T00:00:00Z, until: 2026-03-01T00:00:00Z" + off + "]",
		"an id twice":                   "[{id: a, name: a" + off + ", {id: a, name: b" + off + "]",
		"a code twice":                  "[{id: a, name: a, code: ABC" + off + ", {id: b, name: b, code: abc" + off + "]",
		"more than is read of a file":   "[{id: a, name: a" + off + "]\n#" + strings.Repeat("x", 1<<20) + "\n---\n[]",
		"a list that ends in the midst": "[{id: a, name: a" + off + ",\n" + strings.Repeat(" ", 1<<20) + "{id: b, name: b" + off + "]",
	} {
		if got, err := promotion.Parse(strings.NewReader(text)); fault.Reason(err) != "PROMOTION_INVALID" || !fault.Is(err, fault.Invalid) || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// FuzzParse wants every file refused for a reason, or promotions that price a cart.
func FuzzParse(f *testing.F) {
	f.Add(file)
	f.Add("[{id: a, name: a, percent: 100}]")
	f.Add("- &a {id: a, name: a, amount: {EUR: 1}}\n- <<: *a\n  id: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := promotion.Parse(strings.NewReader(text))
		if err != nil {
			if fault.Reason(err) != "PROMOTION_INVALID" {
				t.Fatal(err)
			}
			return
		}
		var codes []string
		for i := range all {
			if err := all[i].Validate(); err != nil {
				t.Fatal(err)
			}
			all[i].Enabled, all[i].From, all[i].Until = true, time.Time{}, time.Time{}
			codes = append(codes, all[i].Code)
		}
		if wrong := sums(quote(t, "EUR", all, codes, unit{"A", 1999, 3, []string{"tea"}}, unit{"B", 1, 1, nil})); wrong != "" {
			t.Fatal(wrong)
		}
	})
}
