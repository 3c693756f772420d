package promotion_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func of(c money.Currency, minor int64) money.Money { return money.Money{Minor: minor, Currency: c} }

func eur(minor int64) money.Money { return of("EUR", minor) }

// percent is an automatic promotion of all goods.
func percent(id string, basisPoints int64) promotion.Promotion {
	return promotion.Promotion{ID: id, Name: id, BasisPoints: basisPoints, Enabled: true}
}

// amount is one that takes amounts off.
func amount(id string, off ...money.Money) promotion.Promotion {
	return promotion.Promotion{ID: id, Name: id, Amounts: off, Enabled: true}
}

// unit is an item of a cart: so many of a variant at a price.
type unit struct {
	variant string
	price   int64
	units   int64
	tags    []string
}

// quote prices a cart in a currency by promotions.
func quote(t testing.TB, c money.Currency, all []promotion.Promotion, codes []string, of ...unit) checkout.Quote {
	t.Helper()
	q, err := tryQuote(c, all, codes, of)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func tryQuote(c money.Currency, all []promotion.Promotion, codes []string, of []unit) (checkout.Quote, error) {
	cart := checkout.Cart{Currency: c, Items: map[string]checkout.Item{}}
	offers := map[string]checkout.Offer{}
	for _, u := range of {
		cart.Items[u.variant] = checkout.Item{Quantity: u.units}
		offers[u.variant] = checkout.Offer{Title: u.variant, Price: money.Money{Minor: u.price, Currency: c}, Tags: u.tags}
	}
	return promotion.Rules(all, codes, noon).Quote(cart, offers)
}

// TestRightValues holds promotions to what they have to come to, in currencies with two, no and three decimals.
func TestRightValues(t *testing.T) {
	t.Parallel()
	tea := unit{"TEA", 1000, 2, []string{"tea", "green"}}
	pot := unit{"POT", 2500, 1, nil}
	for name, c := range map[string]struct {
		currency money.Currency
		all      []promotion.Promotion
		cart     []unit
		want     int64
		lines    []int64 // by SKU
	}{
		"25 % off 19.99":             {"EUR", []promotion.Promotion{percent("a", 2500)}, []unit{{"A", 1999, 1, nil}}, 1499, []int64{1499}},
		"10.5 % off 25.00":           {"EUR", []promotion.Promotion{percent("a", 1050)}, []unit{{"A", 2500, 1, nil}}, 2237, []int64{2237}},
		"the same in two lines":      {"EUR", []promotion.Promotion{percent("a", 1050)}, []unit{{"A", 1250, 1, nil}, {"B", 1250, 1, nil}}, 2237, []int64{1118, 1119}},
		"6.2 % off 10 × 38.23":       {"EUR", []promotion.Promotion{percent("a", 620)}, []unit{{"A", 3823, 10, nil}}, 35860, []int64{35860}},
		"all of it":                  {"EUR", []promotion.Promotion{percent("a", 10000)}, []unit{tea, pot}, 0, []int64{0, 0}},
		"15 % of yen":                {"JPY", []promotion.Promotion{percent("a", 1500)}, []unit{{"A", 333, 1, nil}}, 283, []int64{283}},
		"15 % of dinars":             {"KWD", []promotion.Promotion{percent("a", 1500)}, []unit{{"A", 1001, 1, nil}}, 851, []int64{851}},
		"5.00 off":                   {"EUR", []promotion.Promotion{amount("a", eur(500))}, []unit{tea, pot}, 4000, []int64{2222, 1778}},
		"1.00 off three equal":       {"EUR", []promotion.Promotion{amount("a", eur(100))}, []unit{{"A", 500, 1, nil}, {"B", 500, 1, nil}, {"C", 500, 1, nil}}, 1400, []int64{466, 467, 467}},
		"more than it costs":         {"EUR", []promotion.Promotion{amount("a", eur(9999))}, []unit{tea, pot}, 0, []int64{0, 0}},
		"an amount it has not":       {"EUR", []promotion.Promotion{amount("a", of("USD", 500))}, []unit{tea}, 2000, []int64{2000}},
		"of two amounts its own":     {"JPY", []promotion.Promotion{amount("a", of("JPY", 7), of("USD", 500))}, []unit{{"A", 10, 1, nil}}, 3, []int64{3}},
		"of a variant":               {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 5000, Variants: []string{"POT"}, Enabled: true}}, []unit{tea, pot}, 3250, []int64{1250, 2000}},
		"of a tag":                   {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 5000, Tags: []string{"black", "green"}, Enabled: true}}, []unit{tea, pot}, 3500, []int64{2500, 1000}},
		"of a variant or a tag":      {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 5000, Variants: []string{"POT"}, Tags: []string{"tea"}, Enabled: true}}, []unit{tea, pot}, 2250, []int64{1250, 1000}},
		"an amount of a variant":     {"EUR", []promotion.Promotion{{ID: "a", Amounts: []money.Money{eur(3000)}, Variants: []string{"POT"}, Enabled: true}}, []unit{tea, pot}, 2000, []int64{0, 2000}},
		"of what is not there":       {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 5000, Variants: []string{"CUP"}, Enabled: true}}, []unit{tea}, 2000, []int64{2000}},
		"a minimum that is reached":  {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 1000, Minimum: []money.Money{eur(4500)}, Enabled: true}}, []unit{tea, pot}, 4050, []int64{2250, 1800}},
		"one that is not":            {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 1000, Minimum: []money.Money{eur(4501)}, Enabled: true}}, []unit{tea, pot}, 4500, []int64{2500, 2000}},
		"one in another currency":    {"EUR", []promotion.Promotion{{ID: "a", BasisPoints: 1000, Minimum: []money.Money{of("USD", 1)}, Enabled: true}}, []unit{tea}, 2000, []int64{2000}},
		"a minimum before the rest":  {"EUR", []promotion.Promotion{percent("a", 5000), {ID: "b", Amounts: []money.Money{eur(100)}, Minimum: []money.Money{eur(2500)}, Enabled: true}}, []unit{pot}, 1150, []int64{1150}},
		"two, each of what is left":  {"EUR", []promotion.Promotion{percent("b", 1000), percent("a", 2000)}, []unit{{"A", 1000, 1, nil}}, 720, []int64{720}},
		"an amount first, by its id": {"EUR", []promotion.Promotion{percent("b", 5000), amount("a", eur(200))}, []unit{{"A", 1000, 1, nil}}, 400, []int64{400}},
		"a percentage first": {"EUR", []promotion.Promotion{
			{ID: "b", BasisPoints: 5000, Priority: -1, Enabled: true}, amount("a", eur(200)),
		}, []unit{{"A", 1000, 1, nil}}, 300, []int64{300}},
		"what costs nothing": {"EUR", []promotion.Promotion{percent("a", 1000), amount("b", eur(1))}, []unit{{"A", 0, 3, nil}}, 0, []int64{0}},
		"an empty cart":      {"EUR", []promotion.Promotion{percent("a", 1000), amount("b", eur(1))}, nil, 0, nil},
	} {
		q := quote(t, c.currency, c.all, nil, c.cart...)
		var lines []int64
		for _, l := range q.Lines {
			lines = append(lines, l.Total.Minor)
		}
		if q.Total != of(c.currency, c.want) || !slices.Equal(lines, c.lines) {
			t.Errorf("%s: %s in total, of lines %v; want %d of %v", name, q.Total, lines, c.want, c.lines)
		}
		if wrong := sums(q); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// An order keeps who took what off, and by which code.
func TestAdjustments(t *testing.T) {
	t.Parallel()
	welcome := amount("welcome", eur(500))
	welcome.Code = "WELCOME5"
	all := []promotion.Promotion{welcome, percent("spring", 1000)}
	cart := []unit{{"POT", 2500, 1, nil}, {"SAMPLE", 0, 1, nil}, {"TEA", 1000, 1, nil}}
	spring := []checkout.Adjustment{
		{Source: "promotion/spring", Kind: checkout.Discount, SKU: "POT", Amount: eur(-250)},
		{Source: "promotion/spring", Kind: checkout.Discount, SKU: "TEA", Amount: eur(-100)},
	}
	for name, c := range map[string]struct {
		codes []string
		want  []checkout.Adjustment
	}{
		"no code":      {nil, spring},
		"another code": {[]string{"WELCOME6"}, spring},
		"its code": {[]string{"WELCOME5", "ZZZ"}, append(slices.Clone(spring),
			checkout.Adjustment{Source: "promotion/welcome", Kind: checkout.Discount, SKU: "POT", Amount: eur(-357), Code: "WELCOME5"},
			checkout.Adjustment{Source: "promotion/welcome", Kind: checkout.Discount, SKU: "TEA", Amount: eur(-143), Code: "WELCOME5"})},
	} {
		if diff := cmp.Diff(c.want, quote(t, "EUR", all, c.codes, cart...).Adjustments); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *promotion.Promotion)
		runs   bool
		reason string // why its code is refused
	}{
		"always":              {func(*promotion.Promotion) {}, true, ""},
		"from this instant":   {func(p *promotion.Promotion) { p.From = noon }, true, ""},
		"from the next":       {func(p *promotion.Promotion) { p.From = noon.Add(1) }, false, "PROMOTION_CODE_UNKNOWN"},
		"until the next":      {func(p *promotion.Promotion) { p.Until = noon.Add(1) }, true, ""},
		"until this instant":  {func(p *promotion.Promotion) { p.Until = noon }, false, "PROMOTION_CODE_EXPIRED"},
		"disabled":            {func(p *promotion.Promotion) { p.Enabled = false }, false, "PROMOTION_CODE_UNKNOWN"},
		"disabled, and over":  {func(p *promotion.Promotion) { p.Enabled, p.Until = false, noon }, false, "PROMOTION_CODE_UNKNOWN"},
		"in another zone too": {func(p *promotion.Promotion) { p.From = noon.In(time.FixedZone("", 5*3600)) }, true, ""},
	} {
		p := percent("a", 1000)
		p.Code = "CODE"
		c.change(&p)
		if p.Runs(noon) != c.runs || (len(promotion.Rules([]promotion.Promotion{p}, []string{"CODE"}, noon)) == 1) != c.runs {
			t.Errorf("%s: runs is %t", name, p.Runs(noon))
		}
		if err := p.Admit(noon); fault.Reason(err) != c.reason || (err != nil) != (c.reason != "") {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		" welcome5\n": "WELCOME5", "A-B_9": "A-B_9", "AB": "", "": "", "ÄRGER": "", "A B": "", "-AB": "", "WELCOMEWELCOMEWELCOMEWELCOMEWELCOMEWELCOME": "",
	} {
		if got := promotion.Code(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

// Whatever promotions there are, the parts sum to the whole, no line costs less than nothing, and neither the order in which
// promotions are stored nor that of the cart changes anything.
func TestPartsSumToTheWhole(t *testing.T) {
	t.Parallel()
	drawn := rapid.Custom(func(t *rapid.T) promotion.Promotion {
		p := percent(rapid.StringMatching(`[a-z]{6}`).Draw(t, "id"), 0)
		p.Priority = rapid.Int64Range(-1, 1).Draw(t, "priority")
		if rapid.Bool().Draw(t, "percentage") {
			p.BasisPoints = rapid.Int64Range(1, money.Whole).Draw(t, "basis points")
		} else {
			p.Amounts = []money.Money{eur(rapid.Int64Range(1, 100_000).Draw(t, "amount"))}
		}
		p.Variants = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2).Draw(t, "variants")
		p.Tags = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y"}), 0, 2).Draw(t, "tags")
		if rapid.Bool().Draw(t, "minimum") {
			p.Minimum = []money.Money{eur(rapid.Int64Range(1, 100_000).Draw(t, "minimum amount"))}
		}
		return p
	})
	item := rapid.Custom(func(t *rapid.T) unit {
		return unit{
			rapid.StringMatching(`[a-e]`).Draw(t, "variant"), rapid.Int64Range(0, 20_000).Draw(t, "price"), rapid.Int64Range(1, 99).Draw(t, "units"),
			rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 2).Draw(t, "tags of it"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(drawn, 0, 4, func(p promotion.Promotion) string { return p.ID }).Draw(t, "promotions")
		cart := rapid.SliceOfNDistinct(item, 0, 5, func(u unit) string { return u.variant }).Draw(t, "cart")
		q, err := tryQuote("EUR", all, nil, cart)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := sums(q); wrong != "" {
			t.Fatalf("%s: %+v", wrong, q)
		}
		again, err := tryQuote("EUR", rapid.Permutation(all).Draw(t, "stored otherwise"), nil, rapid.Permutation(cart).Draw(t, "put in otherwise"))
		if diff := cmp.Diff(q, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

// sums says what does not add up in a quote, or "". It does not trust the sums of the room that made it.
func sums(q checkout.Quote) string {
	total := new(big.Int)
	for _, l := range q.Lines {
		ofLine := new(big.Int).Mul(big.NewInt(l.UnitPrice.Minor), big.NewInt(l.Quantity))
		for _, a := range q.Adjustments {
			if a.SKU == l.SKU {
				ofLine.Add(ofLine, big.NewInt(a.Amount.Minor))
			}
		}
		if ofLine.Sign() < 0 || ofLine.Cmp(big.NewInt(l.Total.Minor)) != 0 {
			return "line " + l.SKU + " does not add up"
		}
		total.Add(total, ofLine)
	}
	for _, a := range q.Adjustments {
		if a.SKU == "" || a.Amount.Minor >= 0 || a.Kind != checkout.Discount {
			return "an adjustment of " + a.Source + " takes nothing off a line"
		}
	}
	if total.Cmp(big.NewInt(q.Total.Minor)) != 0 {
		return "the total does not add up"
	}
	return ""
}

// The checker of this file notices what it is there for.
func TestSumsNoticesWhatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(q *checkout.Quote){
		"a total":                 func(q *checkout.Quote) { q.Total.Minor++ },
		"a line":                  func(q *checkout.Quote) { q.Lines[0].Total.Minor-- },
		"a part that is lost":     func(q *checkout.Quote) { q.Adjustments = q.Adjustments[1:] },
		"a part of no line":       func(q *checkout.Quote) { q.Adjustments[0].SKU = "" },
		"less than nothing":       func(q *checkout.Quote) { q.Adjustments[0].Amount.Minor, q.Lines[0].Total.Minor = -1001, -1 },
		"what makes it expensive": func(q *checkout.Quote) { q.Adjustments[0].Amount.Minor, q.Lines[0].Total.Minor = 1, 1001 },
	} {
		q := quote(t, "EUR", []promotion.Promotion{percent("a", 1000)}, nil, unit{"A", 1000, 1, nil}, unit{"B", 500, 1, nil})
		if wrong := sums(q); wrong != "" {
			t.Fatal(wrong)
		}
		if spoil(&q); sums(q) == "" {
			t.Errorf("%s passes", name)
		}
	}
}
