package checkout_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// adjusting is a rule that always says the same.
func adjusting(all ...checkout.Adjustment) checkout.Rule {
	return func(checkout.Quote) ([]checkout.Adjustment, error) { return all, nil }
}

// halfOff takes off half of what the rules before it left of the total, rounded down.
func halfOff(q checkout.Quote) ([]checkout.Adjustment, error) {
	return []checkout.Adjustment{{Source: "promotion/half", Kind: checkout.Discount, Amount: eur(-q.Total.Minor / 2)}}, nil
}

// sums holds a quote to what the package comment promises, by adding up everything anew in numbers that cannot
// overflow. It is the one reader of these figures that does not trust the package's own sums.
func sums(q checkout.Quote) string {
	subtotal, total := new(big.Int), new(big.Int)
	for _, l := range q.Lines {
		amount := new(big.Int).Mul(big.NewInt(l.UnitPrice.Minor), big.NewInt(l.Quantity))
		ofLine := new(big.Int).Set(amount)
		for _, a := range q.Adjustments {
			if a.SKU == l.SKU {
				ofLine.Add(ofLine, big.NewInt(a.Amount.Minor))
			}
		}
		if amount.Cmp(big.NewInt(l.Amount.Minor)) != 0 || ofLine.Cmp(big.NewInt(l.Total.Minor)) != 0 || ofLine.Sign() < 0 {
			return "line " + l.SKU + " does not add up"
		}
		subtotal.Add(subtotal, amount)
		total.Add(total, ofLine)
	}
	for _, a := range q.Adjustments {
		if a.SKU == "" {
			total.Add(total, big.NewInt(a.Amount.Minor))
		}
	}
	if subtotal.Cmp(big.NewInt(q.Subtotal.Minor)) != 0 {
		return "the subtotal does not add up"
	}
	if total.Cmp(big.NewInt(q.Total.Minor)) != 0 || total.Sign() < 0 {
		return "the total does not add up"
	}
	return ""
}

// A promotion is a rule: the quote takes it in, and nothing but this test and the rule knows of it.
func TestPromotion(t *testing.T) {
	t.Parallel()
	cart := checkout.Cart{Currency: "EUR", Items: items(map[string]int64{"POT": 1, "TEA": 7})}
	offers := map[string]checkout.Offer{"POT": {Price: eur(1000)}, "TEA": {Price: eur(250)}}
	q, err := checkout.Rules{threeForTwo}.Quote(cart, offers)
	if err != nil {
		t.Fatal(err)
	}
	want := []checkout.Adjustment{{Source: "promotion/three-for-two", Kind: checkout.Discount, SKU: "TEA", Amount: eur(-500)}}
	if diff := cmp.Diff(want, q.Adjustments); diff != "" || q.Lines[1].Total != eur(1250) || q.Subtotal != eur(2750) || q.Total != eur(2250) {
		t.Errorf("%+v\n%s", q, diff)
	}
	if err := q.Orderable(); err != nil {
		t.Error(err)
	}
}

// Rules apply in the order that is stated: half of what shipping made dearer is another sum than shipping on half.
func TestRulesApplyInTheirOrder(t *testing.T) {
	t.Parallel()
	cart := checkout.Cart{Currency: "EUR", Items: items(map[string]int64{"A": 1})}
	offers := map[string]checkout.Offer{"A": {Price: eur(1000)}}
	for want, rules := range map[int64]checkout.Rules{
		990: {halfOff, standardShipping},
		745: {standardShipping, halfOff},
	} {
		if q, err := rules.Quote(cart, offers); err != nil || q.Total != eur(want) || sums(q) != "" {
			t.Errorf("total %s, %v, want %s; %s", q.Total, err, eur(want), sums(q))
		}
	}
}

func TestRulesThatBreakTheQuote(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("the rule's own")
	takes := func(sku string, minor int64) checkout.Adjustment {
		return checkout.Adjustment{Source: "test", Kind: checkout.Discount, SKU: sku, Amount: eur(minor)}
	}
	ofUSD := takes("", 0)
	ofUSD.Amount.Currency = "USD"
	for name, c := range map[string]struct {
		rules checkout.Rules
		kind  fault.Kind
		want  error
	}{
		"less than nothing for a line":       {checkout.Rules{adjusting(takes("A", -1001))}, fault.Internal, checkout.ErrNegative},
		"less than nothing for the order":    {checkout.Rules{adjusting(takes("", -3001))}, fault.Internal, checkout.ErrNegative},
		"made up for by a later rule":        {checkout.Rules{adjusting(takes("", -3001)), adjusting(takes("", 10))}, fault.Internal, checkout.ErrNegative},
		"a line that is not there":           {checkout.Rules{adjusting(takes("C", -1))}, fault.Internal, checkout.ErrNoLine},
		"a line of what is unavailable":      {checkout.Rules{adjusting(takes("gone", -1))}, fault.Internal, checkout.ErrNoLine},
		"another currency":                   {checkout.Rules{adjusting(ofUSD)}, fault.Internal, money.ErrMismatch},
		"a total that does not fit":          {checkout.Rules{adjusting(takes("", math.MaxInt64))}, fault.Invalid, money.ErrOverflow},
		"a line's total that does not fit":   {checkout.Rules{adjusting(takes("A", math.MaxInt64))}, fault.Invalid, money.ErrOverflow},
		"an error of its own, as it returns": {checkout.Rules{func(checkout.Quote) ([]checkout.Adjustment, error) { return nil, errOwn }}, 0, errOwn},
	} {
		cart := checkout.Cart{Currency: "EUR", Items: items(map[string]int64{"A": 1, "B": 1, "gone": 1})}
		q, err := c.rules.Quote(cart, map[string]checkout.Offer{"A": {Price: eur(1000)}, "B": {Price: eur(2000)}})
		if !errors.Is(err, c.want) || (c.kind != 0 && !fault.Is(err, c.kind)) || q.Lines != nil {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

// What a rule does to the quote that it is given changes nothing: only adjustments do.
func TestRulesCannotReachIntoTheQuote(t *testing.T) {
	t.Parallel()
	vandal := func(q checkout.Quote) ([]checkout.Adjustment, error) {
		q.Lines[0].Total = eur(1)
		q.Unavailable[0].SKU = "other"
		q.Adjustments[0].Amount = eur(1)
		return nil, nil
	}
	cart := checkout.Cart{Currency: "EUR", Items: items(map[string]int64{"A": 1, "gone": 1})}
	offers := map[string]checkout.Offer{"A": {Price: eur(1000)}}
	want, err := checkout.Rules{halfOff}.Quote(cart, offers)
	if err != nil {
		t.Fatal(err)
	}
	got, err := checkout.Rules{halfOff, vandal}.Quote(cart, offers)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// Whatever rules there are and whatever they adjust: the parts sum to the whole and nothing is negative, or else the
// quote is refused for a reason.
func TestPartsSumToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// One scale for a whole quote: with prices of every size in each, hardly any would fit.
		scale := rapid.SampledFrom([]int64{100, 100_000, math.MaxInt64 / 4000, math.MaxInt64}).Draw(t, "scale")
		d := draw(t, rapid.Int64Range(0, scale))
		skus := []string{"", "nobody's"}
		for sku := range d.cart.Items {
			skus = append(skus, sku)
		}
		slices.Sort(skus) // a seed draws the same again
		amount := rapid.Int64Range(-scale/10, scale/5)
		adjustment := rapid.Custom(func(t *rapid.T) checkout.Adjustment {
			return checkout.Adjustment{SKU: rapid.SampledFrom(skus).Draw(t, "of"), Amount: eur(amount.Draw(t, "amount"))}
		})
		var rules checkout.Rules
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			rules = append(rules, adjusting(rapid.SliceOfN(adjustment, 0, 4).Draw(t, "adjustments")...))
		}
		q, err := rules.Quote(d.cart, d.offers)
		if err != nil {
			if !errors.Is(err, money.ErrOverflow) && !errors.Is(err, checkout.ErrNegative) && !errors.Is(err, checkout.ErrNoLine) {
				t.Fatal(err)
			}
			return
		}
		if wrong := sums(q); wrong != "" {
			t.Fatalf("%s: %+v", wrong, q)
		}
	})
}

// The checker of this file notices what it is there for.
func TestSumsNoticesWhatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	cart := checkout.Cart{Currency: "EUR", Items: items(map[string]int64{"A": 3})}
	offers := map[string]checkout.Offer{"A": {Price: eur(1000)}}
	for name, spoil := range map[string]func(q *checkout.Quote){
		"a total":       func(q *checkout.Quote) { q.Total.Minor++ },
		"a subtotal":    func(q *checkout.Quote) { q.Subtotal.Minor++ },
		"an amount":     func(q *checkout.Quote) { q.Lines[0].Amount.Minor++ },
		"a line":        func(q *checkout.Quote) { q.Lines[0].Total.Minor-- },
		"an adjustment": func(q *checkout.Quote) { q.Adjustments = q.Adjustments[1:] },
	} {
		q, err := checkout.Rules{threeForTwo, standardShipping}.Quote(cart, offers)
		if err != nil || sums(q) != "" {
			t.Fatalf("%v, %s", err, sums(q))
		}
		if spoil(&q); sums(q) == "" {
			t.Errorf("%s that does not add up passes", name)
		}
	}
}
