package stock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	eu regions.Name = "eu-west-1"
	us regions.Name = "us-east-1"
)

func ask(kind stock.Kind, units int64, change ...func(*stock.Request)) stock.Request {
	r := stock.Request{Kind: kind, Variant: "A", Region: eu, Units: units, Key: "k", By: "Ada"}
	if kind == stock.Transfer {
		r.To = us
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func reason(of stock.Reason) func(*stock.Request) { return func(r *stock.Request) { r.Reason = of } }

func TestCheck(t *testing.T) {
	t.Parallel()
	key := func(k string) func(*stock.Request) { return func(r *stock.Request) { r.Key = k } }
	by := func(name string) func(*stock.Request) { return func(r *stock.Request) { r.By = name } }
	for name, c := range map[string]struct {
		r    stock.Request
		want string
	}{
		"receive":               {ask(stock.Receive, 1), ""},
		"receive nothing":       {ask(stock.Receive, 0), "STOCK_UNITS_INVALID"},
		"receive less":          {ask(stock.Receive, -1), "STOCK_UNITS_INVALID"},
		"receive too much":      {ask(stock.Receive, stock.Endless+1), "STOCK_UNITS_INVALID"},
		"count nothing":         {ask(stock.Count, 0), ""},
		"count less":            {ask(stock.Count, -1), "STOCK_UNITS_INVALID"},
		"transfer":              {ask(stock.Transfer, 1), ""},
		"transfer nothing":      {ask(stock.Transfer, 0), "STOCK_UNITS_INVALID"},
		"transfer to itself":    {ask(stock.Transfer, 1, func(r *stock.Request) { r.To = eu }), "STOCK_SAME_REGION"},
		"transfer to nowhere":   {ask(stock.Transfer, 1, func(r *stock.Request) { r.To = "" }), "REGION_UNKNOWN"},
		"no region":             {ask(stock.Receive, 1, func(r *stock.Request) { r.Region = "mars-1" }), "REGION_UNKNOWN"},
		"found":                 {ask(stock.Adjust, 1, reason(stock.Found)), ""},
		"found fewer":           {ask(stock.Adjust, -1, reason(stock.Found)), "STOCK_REASON_INVALID"},
		"returned fewer":        {ask(stock.Adjust, -1, reason(stock.Returned)), "STOCK_REASON_INVALID"},
		"lost":                  {ask(stock.Adjust, -1, reason(stock.Lost)), ""},
		"lost more":             {ask(stock.Adjust, 1, reason(stock.Lost)), "STOCK_REASON_INVALID"},
		"damaged more":          {ask(stock.Adjust, 1, reason(stock.Damaged)), "STOCK_REASON_INVALID"},
		"correct up":            {ask(stock.Adjust, 1, reason(stock.Correction)), ""},
		"correct down":          {ask(stock.Adjust, -1, reason(stock.Correction)), ""},
		"correct nothing":       {ask(stock.Adjust, 0, reason(stock.Correction)), "STOCK_UNITS_INVALID"},
		"adjust for no reason":  {ask(stock.Adjust, 1), "STOCK_REASON_INVALID"},
		"adjust for another":    {ask(stock.Adjust, 1, reason("bored")), "STOCK_REASON_INVALID"},
		"import":                {ask(stock.Import, 1), "INTERNAL"},
		"no key":                {ask(stock.Receive, 1, key("")), "IDEMPOTENCY_KEY_INVALID"},
		"a long key":            {ask(stock.Receive, 1, key(strings.Repeat("k", 256))), "IDEMPOTENCY_KEY_INVALID"},
		"a key of two words":    {ask(stock.Receive, 1, key("a b")), "IDEMPOTENCY_KEY_INVALID"},
		"by nobody":             {ask(stock.Receive, 1, by("")), "TEXT_INVALID"},
		"by somebody long":      {ask(stock.Receive, 1, by(strings.Repeat("é", 101))), "TEXT_INVALID"},
		"by somebody two-lined": {ask(stock.Receive, 1, by("Ada\nBob")), "TEXT_INVALID"},
		"by no text":            {ask(stock.Receive, 1, by("\xff")), "TEXT_INVALID"},
	} {
		if err := c.r.Check(regions.Default()); fault.Reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	euHas := stock.Level{Region: eu, OnHand: 5, Reserved: 3, Sold: 2}
	usHas := stock.Level{Region: us, OnHand: 1}
	few := []stock.Level{euHas}
	both := []stock.Level{euHas, usHas}
	for name, c := range map[string]struct {
		r    stock.Request
		have []stock.Level
		by   []int64 // on hand, and in all
		want string
	}{
		"receive":                {ask(stock.Receive, 4), few, []int64{4}, ""},
		"all that is on hand":    {ask(stock.Adjust, -5, reason(stock.Lost)), few, []int64{-5}, ""},
		"more than is on hand":   {ask(stock.Adjust, -6, reason(stock.Lost)), few, nil, "STOCK_SHORT"},
		"as many as were known":  {ask(stock.Count, 8), few, []int64{0}, ""},
		"count more":             {ask(stock.Count, 10), few, []int64{2}, ""},
		"count what is reserved": {ask(stock.Count, 3), few, []int64{-5}, ""},
		"count less":             {ask(stock.Count, 2), few, nil, "STOCK_SHORT"},
		"transfer":               {ask(stock.Transfer, 5), both, []int64{-5, 5}, ""},
		"transfer too much":      {ask(stock.Transfer, 6), both, nil, "STOCK_SHORT"},
		"not counted":            {ask(stock.Receive, 1), []stock.Level{{Region: eu, OnHand: stock.Endless / 3}}, nil, "STOCK_UNTRACKED"},
		"not counted there":      {ask(stock.Transfer, 1), []stock.Level{euHas, {Region: us, OnHand: 1, Sold: stock.Endless / 3}}, nil, "STOCK_UNTRACKED"},
		"too much to count":      {ask(stock.Receive, stock.Endless/3), few, nil, "STOCK_UNITS_INVALID"},
	} {
		changes, err := c.r.Apply(c.have, 3)
		if fault.Reason(err) != c.want || len(changes) != len(c.by) {
			t.Errorf("%s: %+v, %v", name, changes, err)
			continue
		}
		var known *fault.Error
		if c.want == "STOCK_SHORT" && (!errors.As(err, &known) || known.Metadata["reserved"] != "3" || known.Metadata["on_hand"] != "5" || !strings.Contains(err.Error(), "3")) {
			t.Errorf("%s does not say what there is: %v", name, err)
		}
		for i, got := range changes {
			if diff := cmp.Diff(c.have[i], got.Before()); diff != "" || got.Units != c.by[i] || got.Kind != c.r.Kind || got.Key != "k" || got.By != "Ada" {
				t.Errorf("%s: %+v\n%s", name, got, diff)
			}
		}
		if err := c.r.Repeats(changes); err != nil {
			t.Errorf("%s does not repeat what it did: %v", name, err)
		}
	}
	if stock.Endless != sheet.MaxQuantity {
		t.Errorf("an import has %d units of what is not counted", sheet.MaxQuantity)
	}
}

// TestRepeats asks for something else under a key.
func TestRepeats(t *testing.T) {
	t.Parallel()
	have := map[stock.Kind][]stock.Level{
		stock.Transfer: {{Region: eu, OnHand: 9}, {Region: us, OnHand: 9}},
		stock.Count:    {{Region: eu, OnHand: 6, Reserved: 3}}, stock.Receive: {{Region: eu}}, stock.Adjust: {{Region: eu, OnHand: 9}},
	}
	for name, c := range map[string]struct{ first, then stock.Request }{
		"another number":           {ask(stock.Receive, 2), ask(stock.Receive, 3)},
		"another kind":             {ask(stock.Receive, 2), ask(stock.Count, 2)},
		"another count":            {ask(stock.Count, 9), ask(stock.Count, 0)},
		"another reason":           {ask(stock.Adjust, -2, reason(stock.Lost)), ask(stock.Adjust, -2, reason(stock.Damaged))},
		"another variant":          {ask(stock.Receive, 2), ask(stock.Receive, 2, func(r *stock.Request) { r.Variant = "B" })},
		"the other way":            {ask(stock.Transfer, 2), ask(stock.Transfer, 2, func(r *stock.Request) { r.Region, r.To = us, eu })},
		"to another region":        {ask(stock.Transfer, 2), ask(stock.Transfer, 2, func(r *stock.Request) { r.To = "ap-southeast-1" })},
		"what was a half of it":    {ask(stock.Transfer, 2), ask(stock.Adjust, -2, reason(stock.Lost))},
		"what came before it here": {ask(stock.Receive, 2), ask(stock.Transfer, 2)},
	} {
		changes, err := c.first.Apply(have[c.first.Kind], 3)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := c.then.Repeats(changes); fault.Reason(err) != "IDEMPOTENCY_KEY_REUSED" || !fault.Is(err, fault.Mismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
