package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// had reads variants as tests write them: "id SKU option", of those withdrawn with a minus. An option of ? is not known.
func had(all ...string) (out []catalog.Had) {
	for _, one := range all {
		f := strings.Fields(one)
		h := catalog.Had{ID: strings.TrimPrefix(f[0], "-"), SKU: f[1], Title: f[2], Options: []string{f[2]}, Withdrawn: f[0][0] == '-'}
		if title, unknown := strings.CutSuffix(f[2], "?"); unknown {
			h.Title, h.Options = title, nil
		}
		if f[2] == "none" {
			h.Title, h.Options = "", []string{}
		}
		out = append(out, h)
	}
	return out
}

// named reads variants of a file: "SKU option".
func named(all ...string) catalog.Product {
	p := catalog.Product{Handle: "sock", Options: []string{"Size"}}
	for _, one := range all {
		sku, option, _ := strings.Cut(one, " ")
		v := catalog.Variant{SKU: sku, Title: option, Options: []string{option}}
		if option == "none" {
			v.Title, v.Options = "", []string{}
		}
		p.Variants = append(p.Variants, v)
	}
	return p
}

func ids(p catalog.Product) string {
	var all []string
	for _, v := range p.Variants {
		all = append(all, v.ID)
	}
	return strings.Join(all, " ")
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	three := []string{"1 1 S", "2 2 M", "3 3 L"}
	for name, c := range map[string]struct {
		had   []catalog.Had
		named catalog.Product
		want  string
	}{
		"all are new":                            {nil, named("1 S", "2 M"), "1 2"},
		"nothing changed":                        {had(three...), named("1 S", "2 M", "3 L"), "1 2 3"},
		"another order":                          {had(three...), named("3 L", "1 S", "2 M"), "3 1 2"},
		"one has another SKU":                    {had(three...), named("1 S", "2b M", "3 L"), "1 2 3"},
		"one has another option":                 {had(three...), named("1 S", "2 Medium", "3 L"), "1 2 3"},
		"two exchange their SKUs":                {had(three...), named("2 S", "1 M", "3 L"), "1 2 3"},
		"a new one shifts all":                   {had(three...), named("1 XS", "2 S", "3 M", "4 L"), "fresh 1 2 3"},
		"and once more":                          {had("var_x 1 XS", "1 2 S", "2 3 M", "3 4 L"), named("1 XS", "2 S", "3 M", "4 L"), "var_x 1 2 3"},
		"one is gone, another has its SKU":       {had(three...), named("2 S", "3 L"), "1 3"},
		"one has nothing of what there was":      {had(three...), named("1 S", "5 XL"), "1 5"},
		"one is back, under another SKU":         {had("1 1 S", "-2 2 M"), named("1 S", "5 M"), "1 2"},
		"one is back, of another option":         {had("1 1 S", "-2 2 M"), named("1 S", "2 Medium"), "1 2"},
		"the SKU of what is sold goes before":    {had("1 1 S", "-2 2 M"), named("1 M"), "1"},
		"the only one, without options":          {had("1 1 none"), named("1b none"), "1"},
		"several without options go by SKU":      {had("1 1 none", "2 2 none"), named("1 none", "3 none"), "1 3"},
		"options twice go by SKU":                {had("1 1 S", "2 2 S"), named("3 S", "2 S"), "3 2"},
		"options were not known":                 {had("1 1 S?", "2 2 M?"), named("1 S", "2b M"), "1 2"},
		"a SKU that was another's for long":      {had("1 1c S"), named("1 S"), "1"},
		"its first SKU went to another, is back": {had("1 2 S", "var_x 1 XS"), named("1 S"), "1"},
	} {
		got, err := catalog.Identify(c.named, c.had, func() string { return "fresh" })
		if err != nil || ids(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", name, ids(got), err, c.want)
		}
		if ids(c.named) != strings.Repeat(" ", len(c.named.Variants)-1) {
			t.Errorf("%s: what was given is changed: %+v", name, c.named)
		}
	}
}

func TestIdentifyRefuses(t *testing.T) {
	t.Parallel()
	partial := named("2 S") // M stays, as 2
	partial.Partial = true
	for name, p := range map[string]catalog.Product{"the SKU of one whose row was refused": partial, "a SKU twice": named("4 S", "4 M")} {
		if _, err := catalog.Identify(p, had("1 1 S", "2 2 M"), func() string { return "fresh" }); fault.Reason(err) != "SKU_TAKEN" || !fault.Is(err, fault.Exists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	partial = named("1 S")
	partial.Partial = true
	if _, err := catalog.Identify(partial, had("1 1 S", "2 2 M"), nil); err != nil {
		t.Error(err)
	}
}

// TestOptionsAreComplete has whatever a source says of options become what a file says that is read again.
func TestOptionsAreComplete(t *testing.T) {
	t.Parallel()
	type options struct {
		Names  []string
		Values [][]string
		Titles []string
	}
	for name, c := range map[string]struct{ given, want options }{
		"titles alone":     {options{nil, [][]string{nil, nil}, []string{"S", "M"}}, options{[]string{"Title"}, [][]string{{"S"}, {"M"}}, []string{"S", "M"}}},
		"nothing at all":   {options{nil, [][]string{nil}, []string{""}}, options{[]string{}, [][]string{{}}, []string{""}}},
		"the default":      {options{[]string{"Title"}, [][]string{{"Default Title"}}, []string{""}}, options{[]string{}, [][]string{{}}, []string{""}}},
		"two":              {options{[]string{"Size", "Color"}, [][]string{{"S", "Red"}}, []string{"S / Red"}}, options{[]string{"Size", "Color"}, [][]string{{"S", "Red"}}, []string{"S / Red"}}},
		"one lacks one":    {options{[]string{"Size", "Color"}, [][]string{{"S", "Red"}, {"M"}}, []string{"", ""}}, options{[]string{"Size"}, [][]string{{"S", "Red"}, {"M"}}, []string{"S / Red", "M"}}},
		"more than three":  {options{[]string{"a", "b", "c", "d"}, [][]string{{"1", "2", "3", "4"}}, []string{""}}, options{[]string{"a", "b", "c"}, [][]string{{"1", "2", "3 / 4"}}, []string{"1 / 2 / 3 / 4"}}},
		"the third open":   {options{[]string{"a", "b", "c", "d"}, [][]string{{"1", "2", "", "4"}}, []string{""}}, options{[]string{"a", "b", "c"}, [][]string{{"1", "2", "/ 4"}}, []string{"1 / 2 / / 4"}}},
		"more names":       {options{[]string{"a", "b"}, [][]string{{"1", ""}}, []string{"1"}}, options{[]string{"a"}, [][]string{{"1"}}, []string{"1"}}},
		"one without name": {options{[]string{"", "b"}, [][]string{{"1", "2"}}, []string{"1 / 2"}}, options{[]string{"", "b"}, [][]string{{"1", "2"}}, []string{"1 / 2"}}},
	} {
		p := catalog.Product{Options: c.given.Names}
		for i, values := range c.given.Values {
			p.Variants = append(p.Variants, catalog.Variant{SKU: fmt.Sprint(i), Options: values, Title: c.given.Titles[i]})
		}
		for range 2 { // the second time there is nothing to do
			var err error
			if p, err = catalog.Identify(p, nil, nil); err != nil {
				t.Fatal(err)
			}
			got := options{Names: p.Options}
			for _, v := range p.Variants {
				got.Values, got.Titles = append(got.Values, v.Options), append(got.Titles, v.Title)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
		}
	}
}

// TestIdentityHolds imports any files of a product after each other: ids are never shared, what is imported again keeps
// them, and options that stay keep their variant whatever the SKUs do.
func TestIdentityHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var stored []catalog.Had
		made := 0
		fresh := func() string { made++; return fmt.Sprint("var_", made) }
		for range rapid.IntRange(1, 6).Draw(t, "files") {
			options := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"XS", "S", "M", "L", "XL"}), 1, 5, rapid.ID).Draw(t, "options")
			skus := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"}), len(options), len(options), rapid.ID).Draw(t, "SKUs")
			p := catalog.Product{Handle: "sock", Options: []string{"Size"}}
			for i, option := range options {
				p.Variants = append(p.Variants, catalog.Variant{SKU: skus[i], Options: []string{option}})
			}
			got, err := catalog.Identify(p, stored, fresh)
			if err != nil {
				t.Fatal(err)
			}
			before := stored
			stored = store1(stored, got)
			again, err := catalog.Identify(p, stored, fresh)
			if err != nil || ids(again) != ids(got) {
				t.Fatalf("%s, once more %s, %v", ids(got), ids(again), err)
			}
			seen := map[string]bool{}
			for _, v := range got.Variants {
				if seen[v.ID] {
					t.Fatalf("one id of two: %s", ids(got))
				}
				seen[v.ID] = true
				if i := slices.IndexFunc(before, func(h catalog.Had) bool { return !h.Withdrawn && h.Options[0] == v.Options[0] }); i >= 0 && before[i].ID != v.ID {
					t.Fatalf("%s was %s and is %s", v.Options[0], before[i].ID, v.ID)
				}
			}
		}
	})
}

// store1 is what a Store has after it put a product.
func store1(had []catalog.Had, p catalog.Product) (after []catalog.Had) {
	for _, h := range had {
		if !slices.ContainsFunc(p.Variants, func(v catalog.Variant) bool { return v.ID == h.ID }) {
			h.Withdrawn = true
			after = append(after, h)
		}
	}
	for _, v := range p.Variants {
		after = append(after, catalog.Had{ID: v.ID, SKU: v.SKU, Title: v.Title, Options: v.Options})
	}
	return after
}
