package capacity_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/regions"
)

// drawn draws a plan's input: how many orders, where from, of what mix, with what headroom.
func drawn(t *rapid.T, in capacity.Input) capacity.Input {
	in.Demand.Orders = rapid.Float64Range(0.001, 20_000).Draw(t, "orders")
	in.Demand.Growth = rapid.Float64Range(0.1, 20).Draw(t, "growth")
	if rapid.Bool().Draw(t, "shares") {
		in.Demand.Shares = map[regions.Name]float64{}
		for _, n := range in.Catalog.Names() {
			in.Demand.Shares[n] = rapid.Float64Range(0.01, 1).Draw(t, string(n))
		}
	}
	in.Demand.Mix = map[string]float64{
		"browse": rapid.Float64Range(0, 100).Draw(t, "browse"), "edit cart": rapid.Float64Range(0, 10).Draw(t, "edit"),
		"checkout": rapid.Float64Range(0.1, 50).Draw(t, "checkout"),
	}
	in.Assumptions.Target = rapid.Float64Range(0.2, 0.8).Draw(t, "target")
	in.Assumptions.Limit = rapid.Float64Range(in.Assumptions.Target, 1).Draw(t, "limit")
	in.Assumptions.SignIns = rapid.Float64Range(0, 3).Draw(t, "sign-ins")
	if rapid.Bool().Draw(t, "headroom") {
		in.Headroom = capacity.SurviveNone
	}
	if rapid.Bool().Draw(t, "fleet") {
		in.Fleet = map[regions.Name]int{}
		for _, n := range in.Catalog.Names() {
			in.Fleet[n] = rapid.IntRange(1, 500).Draw(t, "pods of "+string(n))
		}
	}
	return in
}

// TestAnAcceptedPlanBearsEveryLoss works out by itself what each survivor of each loss has to do, and compares it with
// the pods that there are.
func TestAnAcceptedPlanBearsEveryLoss(t *testing.T) {
	t.Parallel()
	base := input(t, 1)
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t, base)
		p, err := capacity.Make(in)
		if err != nil {
			t.Fatal(err)
		}
		over := ""
		for _, lost := range in.Catalog.Names() {
			for _, r := range p.Regions {
				if r.Region == lost {
					continue
				}
				orders := r.OrdersPerSecond
				if in.Catalog.Nearest(lost)[1] == r.Region {
					orders += regionIn(p, lost).OrdersPerSecond
				}
				if used := checkoutUse(in, p, orders) / float64(r.Checkout.Count); used > in.Assumptions.Limit*1.001 {
					over = string(lost + " lost, " + r.Region)
				}
			}
		}
		switch {
		case p.Accepted && over != "":
			t.Fatalf("accepted, but checkout pods are overloaded with %s", over)
		case p.Accepted != (len(p.Refusals) == 0):
			t.Fatalf("accepted %t with refusals %v", p.Accepted, p.Refusals)
		case p.Accepted:
			accepted++
			for _, l := range p.Losses {
				for _, s := range l.Others {
					if s.Over {
						t.Fatalf("accepted, but %+v", s)
					}
				}
			}
		default:
			refused++
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%d plans were accepted and %d refused: the check found nothing out", accepted, refused)
	}
}

func regionIn(p capacity.Plan, n regions.Name) capacity.RegionPlan {
	for _, r := range p.Regions {
		if r.Region == n {
			return r
		}
	}
	return capacity.RegionPlan{}
}

// checkoutUse is the vCPU that checkout pods need for so many orders a second.
func checkoutUse(in capacity.Input, p capacity.Plan, orders float64) float64 {
	overhead := max(1, in.Profile.Check.StackMeasured/in.Profile.Check.StackPredicted)
	vcpu := 0.0
	for _, r := range []capacity.Request{capacity.GetCart, capacity.SetItem, capacity.PlaceOrder, capacity.GetOrder, capacity.WatchOrder} {
		vcpu += orders * p.Demand.RequestsPerOrder[r] * in.Profile.Requests[r].StackMicros / 1e6 * overhead
	}
	return vcpu
}

func TestASizedPlanIsAccepted(t *testing.T) {
	t.Parallel()
	base := input(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t, base)
		in.Headroom, in.Fleet = capacity.SurviveRegion, nil
		p, err := capacity.Make(in)
		if err != nil || !p.Accepted {
			t.Fatalf("%v, %v", err, p.Refusals)
		}
	})
}

func TestMoreOrdersNeverNeedLess(t *testing.T) {
	t.Parallel()
	base := input(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t, base)
		in.Fleet = nil
		less, err := capacity.Make(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Demand.Orders *= rapid.Float64Range(1, 10).Draw(t, "more")
		more, err := capacity.Make(in)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range less.Regions {
			b := more.Regions[i]
			if b.Edge.Count < a.Edge.Count || b.Browse.Count < a.Browse.Count || b.Checkout.Count < a.Checkout.Count ||
				b.Nodes.Count*b.Nodes.VCPU < a.Nodes.Count*a.Nodes.VCPU || b.Database.Count*b.Database.VCPU < a.Database.Count*a.Database.VCPU ||
				float64(b.Cache.Count)*b.Cache.MemoryGiB < float64(a.Cache.Count)*a.Cache.MemoryGiB || b.Month < a.Month*(1-1e-9) {
				t.Fatalf("%s has less for more:\n%+v\n%+v", a.Region, a, b)
			}
		}
		if more.Storage.DiskGiB < less.Storage.DiskGiB {
			t.Fatalf("less disk for more: %+v, %+v", less.Storage, more.Storage)
		}
	})
}

func TestPlansAreStable(t *testing.T) {
	t.Parallel()
	base := input(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t, base)
		format := rapid.SampledFrom([]capacity.Format{capacity.Table, capacity.JSON, capacity.YAML}).Draw(t, "format")
		var texts [2]bytes.Buffer
		for i := range texts {
			p, err := capacity.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := capacity.Print(&texts[i], capacity.Result{Plan: p}, format); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(texts[0].String(), texts[1].String()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestBillAddsUp(t *testing.T) {
	t.Parallel()
	base := input(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		p, err := capacity.Make(drawn(t, base))
		if err != nil {
			t.Fatal(err)
		}
		items, parts := 0.0, 0.0
		for _, c := range p.Cost.Items {
			items += c.Month
		}
		for _, r := range p.Regions {
			parts += r.Month
		}
		global := 0.025 * 730
		if math.Abs(items-p.Cost.Month) > 0.2 || math.Abs(parts+global-p.Cost.Month) > 0.2 {
			t.Fatalf("the items are %v, the regions %v, the sum %v", items, parts, p.Cost.Month)
		}
	})
}
