package attack

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

// cycle is how long a shopper takes for a round at least: the default limit is an order a second.
const cycle = 1050 * time.Millisecond

// visitor is a shopper who goes round: reads, cart, order.
type visitor struct {
	*shopper.Shopper
	run    string
	skus   []string
	orders int
}

// openShop signs the shoppers up.
func openShop(ctx context.Context, r *scenario.Run) ([]*visitor, error) {
	run := fmt.Sprintf("attack-%d-%x", r.Seed, time.Now().UnixMilli())
	var all []*visitor
	for n := range shoppers {
		rt, err := r.Net.Caller(city, netip.AddrFrom4([4]byte{86, 44, 1, byte(n + 1)}))
		if err != nil {
			return nil, err
		}
		v := &visitor{Shopper: shopper.New(rt, shopper.Origin), run: fmt.Sprintf("%s-%d", run, n)}
		products, err := v.Products(ctx)
		if err != nil {
			return nil, err
		}
		if v.skus, err = shopper.SKUs(products, "EUR"); err != nil {
			return nil, err
		}
		if err := v.Ask(ctx, shopper.SignUpAs(v.run, "EUR")).Err(); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// visit has all shoppers go round for a while, and keeps what they did.
func (d *drill) visit(ctx context.Context, h *history.History, lasts time.Duration) error {
	end := time.Now().Add(lasts)
	var inside sync.WaitGroup
	for n, v := range d.shop {
		v.History = h
		inside.Go(func() {
			for next := time.Now().Add(cycle * time.Duration(n) / shoppers); next.Before(end); next = next.Add(cycle) {
				if clock.Sleep(ctx, time.Until(next)) != nil {
					return
				}
				v.round(ctx)
			}
		})
	}
	inside.Wait()
	return context.Cause(ctx)
}

func (v *visitor) round(ctx context.Context) {
	v.orders++
	sku := v.skus[(v.orders*shoppers+len(v.run))%len(v.skus)] // many, because each has only so many units
	v.Ask(ctx, shopper.ListProducts(20))
	v.Ask(ctx, shopper.SetItem(sku, 1, ""))
	v.Ask(ctx, shopper.GetCart())
	if op := v.Ask(ctx, shopper.PlaceOrder(fmt.Sprintf("%s-%d", v.run, v.orders))); op.Reason == history.OutOfStock {
		v.Ask(ctx, shopper.SetItem(sku, 0, ""))
	}
}

// standing asks every edge who is out of service.
func standing(ctx context.Context, r *scenario.Run) ([]string, error) {
	var out []string
	for _, region := range r.Options.Plan.Regions {
		gauges, err := gauges(ctx, region.EdgeAdmin)
		if err != nil {
			return out, err
		}
		for of, known := range gauges["meridian_edge_region_instances"] {
			if gauges["meridian_edge_region_healthy_instances"][of] < known {
				out = append(out, fmt.Sprintf("an instance of %s, at %s", of, region.Name))
			}
			if gauges["meridian_edge_region_ejected"][of] > 0 {
				out = append(out, fmt.Sprintf("%s, at %s", of, region.Name))
			}
		}
	}
	return out, nil
}

// gauges reads a process's gauges of regions, by name and region.
func gauges(ctx context.Context, admin string) (map[string]map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("attack: metrics: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("attack: metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil, fmt.Errorf("attack: metrics: %w", err)
	}
	out := map[string]map[string]float64{}
	for name, family := range families {
		if !strings.HasPrefix(name, "meridian_edge_region_") {
			continue
		}
		out[name] = map[string]float64{}
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) == 1 {
				out[name][m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return out, nil
}
