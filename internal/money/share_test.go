package money_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/money"
)

func TestShare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor, basisPoints, want int64
	}{
		{1999, 2500, 500},  // 25 % off 19.99 leaves 14.99
		{2500, 1050, 263},  // 10.5 % off 25.00: of 2.625 a half goes away from zero, which leaves 22.37
		{38230, 620, 2370}, // 2370.26
		{1, 5000, 1}, {1, 4999, 0}, {3, 5000, 2}, {0, 5000, 0},
		{-1, 5000, -1}, {-1, 4999, 0}, {-2500, 1050, -263},
		{7, 0, 0}, {7, 10000, 7},
		{math.MaxInt64, 10000, math.MaxInt64}, {math.MinInt64, 10000, math.MinInt64},
		{math.MaxInt64, 5000, 1 << 62},
	} {
		got, err := money.Money{Minor: c.minor, Currency: "EUR"}.Share(c.basisPoints)
		if err != nil || got != (money.Money{Minor: c.want, Currency: "EUR"}) {
			t.Errorf("%d basis points of %d are %v, %v; want %d", c.basisPoints, c.minor, got, err, c.want)
		}
	}
	for _, bad := range []int64{-1, 10001, math.MinInt64, math.MaxInt64} {
		if _, err := (money.Money{Minor: 1, Currency: "EUR"}).Share(bad); !errors.Is(err, money.ErrShare) {
			t.Errorf("%d basis points: %v", bad, err)
		}
	}
}

// Whatever the amount, a share is within half a unit of the exact one, and grows with the percentage.
func TestShareIsNearest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := money.Money{Minor: rapid.Int64().Draw(t, "minor"), Currency: "JPY"}
		bp := rapid.Int64Range(0, money.Whole-1).Draw(t, "basis points")
		got, err := m.Share(bp)
		if err != nil {
			t.Fatal(err)
		}
		off := new(big.Int).Mul(big.NewInt(m.Minor), big.NewInt(bp))
		off.Sub(off, new(big.Int).Mul(big.NewInt(got.Minor), big.NewInt(money.Whole)))
		if off.CmpAbs(big.NewInt(money.Whole/2)) > 0 {
			t.Fatalf("%d basis points of %d are %d", bp, m.Minor, got.Minor)
		}
		more, err := m.Share(bp + 1)
		if err != nil || (m.Minor >= 0) != (more.Minor >= got.Minor) && more.Minor != got.Minor {
			t.Fatalf("%d and %d basis points of %d are %d and %d, %v", bp, bp+1, m.Minor, got.Minor, more.Minor, err)
		}
	})
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{100, []int64{1, 2}, []int64{33, 67}},
		{5, []int64{1999, 2500, 1}, []int64{2, 3, 0}},
		{1, []int64{0, 0, 3}, []int64{0, 0, 1}},
		{10, []int64{3, 3, 3, 1}, []int64{3, 3, 3, 1}},
		{0, []int64{1, 2}, []int64{0, 0}},
		{0, []int64{0}, []int64{0}},
		{0, nil, []int64{}},
		{math.MaxInt64, []int64{math.MaxInt64}, []int64{math.MaxInt64}},
		{math.MaxInt64, []int64{1, 1}, []int64{1 << 62, 1<<62 - 1}},
	} {
		got, err := money.Money{Minor: c.minor, Currency: "EUR"}.Allocate(c.weights)
		if err != nil || !slices.Equal(minors(got), c.want) {
			t.Errorf("%d by %v is %v, %v; want %v", c.minor, c.weights, got, err, c.want)
		}
	}
	for _, c := range []struct {
		minor   int64
		weights []int64
		want    error
	}{
		{1, nil, money.ErrShare}, {1, []int64{0}, money.ErrShare}, {-1, []int64{1}, money.ErrShare}, {1, []int64{2, -1}, money.ErrShare},
		{1, []int64{math.MaxInt64, 1}, money.ErrOverflow},
	} {
		if got, err := (money.Money{Minor: c.minor, Currency: "EUR"}).Allocate(c.weights); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%d by %v is %v, %v", c.minor, c.weights, got, err)
		}
	}
}

// However an amount is divided: the parts sum to it, each is within a unit of its exact share, a heavier one has no less, none is
// more than its weight, and the order of the weights changes only the order of the parts.
func TestPartsSumToTheAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scale := rapid.SampledFrom([]int64{3, 100, 100_000, math.MaxInt64 / 100}).Draw(t, "scale")
		weights := rapid.SliceOfN(rapid.Int64Range(0, scale), 1, 100).Draw(t, "weights")
		sum := int64(0)
		for _, w := range weights {
			sum += w
		}
		m := money.Money{Minor: rapid.Int64Range(0, sum).Draw(t, "amount"), Currency: "KWD"}
		got, err := m.Allocate(weights)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := misdivided(m.Minor, sum, weights, minors(got)); wrong != "" {
			t.Fatalf("%s: %d by %v is %v", wrong, m.Minor, weights, minors(got))
		}
		shuffled := rapid.Permutation(weights).Draw(t, "shuffled")
		again, err := m.Allocate(shuffled)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := pairs(weights, minors(got)), pairs(shuffled, minors(again)); !slices.Equal(a, b) {
			t.Fatalf("in another order it is %v rather than %v", b, a)
		}
	})
}

// The checker of this file notices what it is there for.
func TestMisdividedNoticesIt(t *testing.T) {
	t.Parallel()
	weights := []int64{10, 20, 70}
	if wrong := misdivided(50, 100, weights, []int64{5, 10, 35}); wrong != "" {
		t.Error(wrong)
	}
	for name, parts := range map[string][]int64{
		"a unit that is lost": {5, 10, 34}, "a unit that is moved": {4, 11, 35}, "more than its weight": {15, 10, 25}, "a part too few": {15, 35},
	} {
		if misdivided(50, 100, weights, parts) == "" {
			t.Errorf("%s passes", name)
		}
	}
	if misdivided(1, 4, []int64{1, 3}, []int64{1, 0}) == "" {
		t.Error("that the lighter one has more passes")
	}
}

// misdivided says what is wrong with the parts of an amount, in numbers that cannot overflow, or "".
func misdivided(minor, sum int64, weights, parts []int64) string {
	if len(parts) != len(weights) {
		return "there is not a part for each weight"
	}
	total := new(big.Int)
	for i, part := range parts {
		total.Add(total, big.NewInt(part))
		exact := new(big.Int).Mul(big.NewInt(minor), big.NewInt(weights[i]))
		exact.Sub(exact, new(big.Int).Mul(big.NewInt(part), big.NewInt(sum)))
		if sum > 0 && exact.CmpAbs(big.NewInt(sum)) >= 0 {
			return "a part is a unit or more away from its share"
		}
		if part < 0 || part > weights[i] {
			return "a part is more than its weight"
		}
		for j, other := range parts {
			if weights[i] > weights[j] && part < other {
				return "a heavier one has less"
			}
		}
	}
	if total.Cmp(big.NewInt(minor)) != 0 {
		return "the parts do not sum to the amount"
	}
	return ""
}

func minors(all []money.Money) []int64 {
	out := make([]int64, len(all))
	for i, m := range all {
		out[i] = m.Minor
	}
	return out
}

// pairs returns weights with their parts, sorted.
func pairs(weights, parts []int64) [][2]int64 {
	out := make([][2]int64, len(weights))
	for i := range weights {
		out[i] = [2]int64{weights[i], parts[i]}
	}
	slices.SortFunc(out, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	return out
}
