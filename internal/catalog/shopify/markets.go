package shopify

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// market is where a store sells by a price list of its own. Prices here are by currency, so a market is the currency that
// is paid there.
type market struct {
	name                       string
	currency                   money.Currency // "": nobody knows
	price, compareAt, included sheet.Column   // absent: the export does not say
}

const absent sheet.Column = -1

// marketsOf finds the markets in a header, in its order: "Price / Canada" is one's. Of a market whose name is neither a
// country's nor a currency's code the currency is the one given. The error is a *fault.Error.
func marketsOf(h *sheet.Header, given map[string]money.Currency) ([]market, error) {
	var all []market
	for i, cell := range h.Cells() {
		kind, name, found := strings.Cut(cell, " / ")
		name = strings.TrimSpace(name)
		kind = strings.ToLower(strings.TrimSpace(kind))
		if !found || !slices.Contains([]string{"price", "compare at price", "compare-at price", "included"}, kind) {
			continue
		}
		at := slices.IndexFunc(all, func(m market) bool { return strings.EqualFold(m.name, name) })
		if at < 0 {
			at = len(all)
			all = append(all, market{name: name, price: absent, compareAt: absent, included: absent})
		}
		to := &all[at].compareAt
		switch kind {
		case "price":
			to = &all[at].price
		case "included":
			to = &all[at].included
		}
		if *to != absent {
			return nil, Format().Refuse("its header has the column %s twice", strings.TrimSpace(cell))
		}
		*to = h.Add(i)
	}
	return all, assign(all, given)
}

// assign gives markets their currencies.
func assign(all []market, given map[string]money.Currency) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at := slices.IndexFunc(all, func(m market) bool { return strings.EqualFold(m.name, name) })
		if at < 0 {
			var names []string
			for _, m := range all {
				names = append(names, m.name)
			}
			return fault.New(fault.Invalid, "MARKET_UNKNOWN", "the file has no prices of a market %q; its markets are: %s",
				name, cmp.Or(strings.Join(names, ", "), "none"))
		}
		all[at].currency = given[name]
	}
	if !slices.ContainsFunc(all, func(m market) bool { return m.currency == "" }) {
		return nil
	}
	named := countries()
	for i, m := range all {
		if m.currency != "" {
			continue
		}
		all[i].currency = named[strings.ToLower(m.name)]
		if code, err := money.ParseCurrency(m.name); err == nil {
			all[i].currency = code
		}
	}
	return nil
}

// languages are those that a store's administration can be in; its markets have the countries' names in it.
var languages = []language.Tag{
	language.English, language.German, language.French, language.Spanish, language.Italian, language.Dutch, language.Portuguese,
	language.EuropeanPortuguese, language.Danish, language.Swedish, language.Norwegian, language.Finnish, language.Polish,
	language.Czech, language.Turkish, language.Japanese, language.Korean, language.SimplifiedChinese, language.TraditionalChinese,
	language.Thai, language.Vietnamese,
}

// countries returns the official currencies of countries, by their names in lower case and by their codes.
func countries() map[string]money.Currency {
	byName := map[string]money.Currency{}
	namers := make([]display.Namer, len(languages))
	for i, l := range languages {
		namers[i] = display.Regions(l)
	}
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			code := string([]rune{first, second})
			region, err := language.ParseRegion(code)
			if err != nil {
				continue
			}
			official, known := currencyOf(region.Canonicalize().String()) // UK is GB
			if !known {
				continue
			}
			byName[strings.ToLower(code)] = official
			for _, in := range namers {
				if name := strings.ToLower(in.Name(region)); name != "" && byName[name] == "" {
					byName[name] = official
				}
			}
		}
	}
	return byName
}

// currencyOf returns the currency of a country, and that of the European Union, which stores have as a market.
func currencyOf(code string) (money.Currency, bool) {
	if code == "EU" {
		return "EUR", true
	}
	return money.CurrencyOf(code)
}
