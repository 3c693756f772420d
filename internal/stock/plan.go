package stock

import (
	"cmp"
	"slices"

	"github.com/meridian-commerce/meridian/regions"
)

// Allotment is what a region has of a variant: units on hand are among those allotted.
type Allotment struct{ Allotted, OnHand int64 }

// Plan returns what to take from the allotments of a variant and what to give, so that they are units in all. A region that has
// none yet gets its share of what the others have on hand. Units that are reserved or sold are never taken, so that the
// sum stays above units where those are more.
func Plan(variant string, units int64, have map[regions.Name]Allotment, names []regions.Name) (take, give map[regions.Name]int64) {
	rest := units
	var old []regions.Name
	shares, take := Split(variant, units, names), map[regions.Name]int64{}
	give = map[regions.Name]int64{}
	for _, name := range names {
		if a, ok := have[name]; ok {
			old = append(old, name)
			rest -= a.Allotted
		} else {
			give[name] = shares[name]
			rest -= shares[name]
		}
	}
	if rest >= 0 {
		for name, more := range Split(variant, rest, old) {
			give[name] += more
		}
		return take, give
	}
	slices.SortFunc(old, func(a, b regions.Name) int { return cmp.Compare(have[a].OnHand, have[b].OnHand) })
	for i, name := range old { // from the least on, so that what one lacks the ones after it make up for
		take[name] = min(have[name].OnHand, (-rest+int64(len(old)-i)-1)/int64(len(old)-i))
		rest += take[name]
	}
	return take, give
}
