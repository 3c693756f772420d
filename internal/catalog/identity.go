package catalog

import (
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Had is a variant that a product has, or had until it was withdrawn.
type Had struct {
	ID, SKU, Title string
	Options        []string // nil: not known
	Withdrawn      bool
}

// Identify returns a product whose variants have the ids of those that they are among the ones that the product had: first
// those of the same options, whatever their SKU was, then those of the same SKU, whatever their options were; what is sold goes
// before what was withdrawn. What is new gets its SKU for an id, or what fresh returns where another variant has that id.
// The options of the product are made complete.
//
// Two variants of one SKU are fault.Exists: so is the SKU of a variant that a Partial product lacks.
func Identify(p Product, had []Had, fresh func() string) (Product, error) {
	p = complete(p)
	m := newMatching(p, had)
	for _, withdrawn := range []bool{false, true} {
		m.match(withdrawn, m.options)
		m.match(withdrawn, func(h Had) string { return h.SKU })
	}
	taken := make(map[string]bool, len(had))
	for _, h := range had {
		taken[h.ID] = true
	}
	for i := range p.Variants {
		v := &p.Variants[i]
		if h, ok := m.found[i]; ok {
			v.ID = had[h].ID
		} else if v.ID = v.SKU; taken[v.SKU] {
			v.ID = fresh()
		}
	}
	return p, m.clash(p)
}

// matching is which variant of a product, by its place, is which of those that it had.
type matching struct {
	had     []Had
	named   []Had // what the product says of its variants
	byTitle bool  // options are not known of all that it had, but what was made of them is
	found   map[int]int
	used    map[int]bool
}

func newMatching(p Product, had []Had) *matching {
	m := &matching{had: had, found: make(map[int]int, len(had)), used: make(map[int]bool, len(had))}
	for _, v := range p.Variants {
		m.named = append(m.named, Had{SKU: v.SKU, Title: v.Title, Options: v.Options})
	}
	m.byTitle = slices.ContainsFunc(had, func(h Had) bool { return h.Options == nil })
	return m
}

func (m *matching) options(h Had) string {
	if m.byTitle {
		return h.Title
	}
	return strings.Join(h.Options, "\x00")
}

// match pairs what nobody was found for by a key, where one variant alone has it on either side.
func (m *matching) match(withdrawn bool, key func(Had) string) {
	const several = -1
	at := make(map[string]int, len(m.had))
	for i, h := range m.had {
		if h.Withdrawn != withdrawn {
			continue
		}
		if _, twice := at[key(h)]; twice {
			i = several
		}
		at[key(h)] = i
	}
	times := make(map[string]int, len(m.named))
	for _, n := range m.named {
		times[key(n)]++
	}
	for i, n := range m.named {
		h, ok := at[key(n)]
		if _, done := m.found[i]; !ok || done || h == several || m.used[h] || times[key(n)] > 1 {
			continue
		}
		m.found[i], m.used[h] = h, true
	}
}

// clash refuses two variants of one SKU.
func (m *matching) clash(p Product) error {
	named := make(map[string]bool, len(p.Variants))
	for _, v := range p.Variants {
		if named[v.SKU] {
			return fault.New(fault.Exists, "SKU_TAKEN", "product %q has two variants of SKU %q", p.Handle, v.SKU)
		}
		named[v.SKU] = true
	}
	for i, h := range m.had {
		if p.Partial && !h.Withdrawn && !m.used[i] && named[h.SKU] { // it is not named, and stays
			return fault.New(fault.Exists, "SKU_TAKEN", "SKU %q of product %q belongs to its variant %q, whose row was refused", h.SKU, p.Handle, h.Title)
		}
	}
	return nil
}

// maxOptions is how many options a product has, as in the files that it comes from and goes to.
const maxOptions = 3

// complete returns a product of which the options are known, as few as there are, and which a file can say: titles are made of
// options, and no tag has a comma.
func complete(p Product) Product {
	p.Tags = apart(p.Tags)
	p.Variants = slices.Clone(p.Variants)
	names := slices.Clone(p.Options)
	if p.Options == nil {
		names = []string{"Title"} // as exports call what has no name
	}
	for i := range p.Variants {
		v := &p.Variants[i]
		if v.Options == nil && v.Title != "" {
			v.Options = []string{v.Title}
		}
		v.Options = few(v.Options)
		v.Title = strings.Join(slices.DeleteFunc(slices.Clone(v.Options), func(s string) bool { return s == "" }), " / ")
		for j := range names {
			if j >= len(v.Options) || v.Options[j] == "" {
				names[j] = "" // an option that some variant has no value of is none
			}
		}
	}
	p.Options = trimEnd(names[:min(len(names), maxOptions)])
	return p
}

// apart makes tags of those in which there is a comma.
func apart(tags []string) (all []string) {
	for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	return all
}

// few returns at most as many values as there are options, the rest of them as one.
func few(values []string) []string {
	values = trimEnd(slices.Clone(values))
	if len(values) > maxOptions {
		values = append(values[:maxOptions-1], strings.TrimSpace(strings.Join(values[maxOptions-1:], " / "))) // as cells are read
	}
	if slices.Equal(values, []string{"Default Title"}) { // as exports say that there are none
		return []string{}
	}
	return values
}

// trimEnd returns values without empty ones at the end, and never nil.
func trimEnd(values []string) []string {
	for len(values) > 0 && values[len(values)-1] == "" {
		values = values[:len(values)-1]
	}
	if values == nil {
		return []string{}
	}
	return values
}
