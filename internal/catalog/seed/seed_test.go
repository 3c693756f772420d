package seed

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/money"
)

func TestProducts(t *testing.T) {
	t.Parallel()
	products, err := Products()
	if err != nil {
		t.Fatal(err)
	}
	if len(products) < 200 {
		t.Errorf("%d products, want at least 200", len(products))
	}
	unique := map[string]string{}
	once := func(what, value, of string) {
		if other, ok := unique[what+value]; ok {
			t.Errorf("%s and %s have the same %s %q", other, of, what, value)
		}
		unique[what+value] = of
	}
	departments := map[string]int{}
	handle := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, p := range products {
		once("handle", p.Handle, p.Handle)
		once("title", p.Title, p.Handle)
		once("description", p.Description, p.Handle)
		if !handle.MatchString(p.Handle) || p.Vendor == "" || p.Type == "" || len(p.Tags) == 0 || !p.Active {
			t.Errorf("%s is incomplete: %+v", p.Handle, p)
		}
		department, _, nested := strings.Cut(p.Category, " > ")
		if departments[department]++; !nested {
			t.Errorf("%s has category %q, want two levels", p.Handle, p.Category)
		}
		checkDescription(t, p)
		if n := len(p.Variants); n < 1 || n > 4 {
			t.Errorf("%s has %d variants, want 1 to 4", p.Handle, n)
		}
		for _, v := range p.Variants {
			once("SKU", v.SKU, p.Handle)
			once("variant title", p.Handle+v.Title, v.SKU)
			if v.Title == "" && len(p.Variants) > 1 {
				t.Errorf("%s is one of several variants and has no title", v.SKU)
			}
			checkVariant(t, v)
		}
	}
	if len(departments) < 12 {
		t.Errorf("departments are %v, want at least 12", departments)
	}
}

func checkDescription(t *testing.T, p catalog.Product) {
	t.Helper()
	if n := len(p.Description); n < 60 || n > 400 || !strings.HasSuffix(p.Description, ".") {
		t.Errorf("%s: description of %d bytes: %q", p.Handle, n, p.Description)
	}
	for _, bad := range []string{"lorem", "ipsum", "todo", "  ", "\n"} {
		if strings.Contains(strings.ToLower(p.Description), bad) {
			t.Errorf("%s: description has %q: %s", p.Handle, bad, p.Description)
		}
	}
}

func checkVariant(t *testing.T, v catalog.Variant) {
	t.Helper()
	if !regexp.MustCompile(`^[A-Z]{3}-\d\d(-[A-Z0-9]+)*$`).MatchString(v.SKU) || v.Grams <= 0 || v.Stock <= 0 {
		t.Errorf("variant is incomplete: %+v", v)
	}
	dollars, _ := v.Price("USD")
	if len(v.Prices) != 4 || dollars.Minor < 100 || dollars.Minor > 100_000 {
		t.Errorf("%s: prices are %v", v.SKU, v.Prices)
	}
	// What a minor unit of the currency is to a cent, within what local pricing explains: a slipped point is ten times.
	for _, market := range []struct {
		currency money.Currency
		low, top int64 // in hundredths
	}{{"EUR", 80, 115}, {"SGD", 115, 160}, {"JPY", 130, 180}} {
		price, ok := v.Price(market.currency)
		if ratio := 100 * price.Minor / max(dollars.Minor, 1); !ok || ratio < market.low || ratio > market.top {
			t.Errorf("%s: prices are %v", v.SKU, v.Prices)
		}
	}
}

func TestBrokenData(t *testing.T) {
	t.Parallel()
	const good = "products:\n- {handle: cup, variants: [{sku: CUP, usd: 1.00, eur: 1.00, sgd: 1.00, jpy: 100}]}\n"
	for name, test := range map[string]struct{ text, message string }{
		"unknown field": {strings.Replace(good, "handle", "handel", 1), "data/a.yaml"},
		"no price":      {strings.Replace(good, ", jpy: 100", "", 1), "variant CUP"},
		"half a yen":    {strings.Replace(good, "jpy: 100", "jpy: 100.5", 1), "product cup"},
		"no YAML":       {"]", "data/a.yaml"},
	} {
		_, err := load(fstest.MapFS{"data/a.yaml": {Data: []byte(test.text)}})
		if err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: error is %v, want one that names %q", name, err, test.message)
		}
	}
	if products, err := load(fstest.MapFS{"data/a.yaml": {Data: []byte(good)}}); err != nil || len(products) != 1 {
		t.Errorf("good data: %v, %v", products, err)
	}
}
