package money

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Whole is all of an amount, in basis points.
const Whole = 10_000

// ErrShare says that an amount cannot be divided so.
var ErrShare = errors.New("money: cannot be divided so")

// Share returns that many ten-thousandths (basis points, 0 to Whole) of m, to the nearest minor unit; a half is rounded away
// from zero. It is the one place where a percentage becomes money. The error is ErrShare.
func (m Money) Share(basisPoints int64) (Money, error) {
	if basisPoints < 0 || basisPoints > Whole {
		return Money{}, fmt.Errorf("%w: %d basis points of %s", ErrShare, basisPoints, m)
	}
	// What the division leaves over is below Whole, so that neither product is too large.
	rest := m.Minor % Whole * basisPoints
	half := int64(Whole / 2)
	if rest < 0 {
		half = -half
	}
	return Money{Minor: m.Minor/Whole*basisPoints + (rest+half)/Whole, Currency: m.Currency}, nil
}

// Allocate divides m in proportion to weights, by the largest remainder: each part is its exact share rounded down, and the
// units that are left go one each to those that were rounded down most, the heavier first and then the earlier.
// So the parts sum to m, none is a unit away from its exact share, a heavier one has no less, and where m is no more than the
// weights together no part is more than its weight. Errors: ErrShare where m or a weight is negative, or m is something and
// all weights are nothing; ErrOverflow where the weights do not sum.
func (m Money) Allocate(weights []int64) ([]Money, error) {
	sum := int64(0)
	for _, w := range weights {
		if w < 0 || m.Minor < 0 {
			return nil, fmt.Errorf("%w: %s by a weight of %d", ErrShare, m, w)
		}
		if sum += w; sum < 0 {
			return nil, fmt.Errorf("%w: the weights by which to divide %s", ErrOverflow, m)
		}
	}
	parts := make([]Money, len(weights))
	remainders := make([]uint64, len(weights))
	byRemainder := make([]int, len(weights))
	left := m.Minor
	for i, w := range weights {
		parts[i].Currency = m.Currency
		byRemainder[i] = i
		if sum > 0 {
			// In 128 bits. The quotient is at most m, so that it fits.
			high, low := bits.Mul64(uint64(m.Minor), uint64(w))
			quotient, remainder := bits.Div64(high, low, uint64(sum))
			parts[i].Minor, remainders[i] = int64(quotient), remainder
			left -= parts[i].Minor
		}
	}
	if sum == 0 && left != 0 {
		return nil, fmt.Errorf("%w: %s by weights of nothing", ErrShare, m)
	}
	slices.SortStableFunc(byRemainder, func(a, b int) int {
		return cmp.Or(cmp.Compare(remainders[b], remainders[a]), cmp.Compare(weights[b], weights[a]))
	})
	for _, i := range byRemainder[:left] {
		parts[i].Minor++
	}
	return parts, nil
}
