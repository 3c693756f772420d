package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/topology"
)

const (
	probeReads, probeWrites = 25, 7
	probeTimeout            = 5 * time.Second
)

// figure is what a region's own callers wait for, as text for people.
type figure struct{ read, write string }

// probeAll measures every region's edge from beside it: a catalog read, and a change of a cart by a shopper
// who lives there. One region after the other, so that none waits for the work of another's.
func probeAll(ctx context.Context, plan *topology.Plan) []figure {
	figures := make([]figure, len(plan.Regions))
	for i, r := range plan.Regions {
		p := &probe{base: "http://" + r.Edge, client: &http.Client{Timeout: probeTimeout}}
		figures[i] = figure{read: median(p.reads(ctx)), write: median(p.writes(ctx))}
	}
	return figures
}

func median(took []time.Duration, err error) string {
	if err != nil || len(took) == 0 {
		return "failed"
	}
	slices.Sort(took)
	return fmt.Sprintf("%.1f ms", float64(took[len(took)/2])/float64(time.Millisecond))
}

// probe is a shopper beside one edge, speaking Connect's JSON.
type probe struct {
	base   string
	client *http.Client
	sku    string
}

func (p *probe) reads(ctx context.Context) ([]time.Duration, error) {
	var took []time.Duration
	for range probeReads {
		var page struct {
			Products []struct {
				Variants []struct{ Sku string }
			}
		}
		query := url.Values{"encoding": {"json"}, "message": {`{"pageSize":1}`}}.Encode()
		begun := time.Now()
		if err := p.do(ctx, http.MethodGet, "/meridian.catalog.v1.CatalogService/ListProducts?"+query, "", nil, &page); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
		if len(page.Products) > 0 && len(page.Products[0].Variants) > 0 {
			p.sku = page.Products[0].Variants[0].Sku
		}
	}
	return took, nil
}

func (p *probe) writes(ctx context.Context) ([]time.Duration, error) {
	var account struct{ AccessToken string }
	who := map[string]any{"email": rand.Text() + "@probe.example", "password": rand.Text(), "displayName": "Probe"}
	if err := p.do(ctx, http.MethodPost, "/meridian.account.v1.AccountService/SignUp", "", who, &account); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range probeWrites {
		item := map[string]any{"sku": p.sku, "quantity": i + 1}
		begun := time.Now()
		if err := p.do(ctx, http.MethodPost, "/meridian.cart.v1.CartService/SetItem", account.AccessToken, item, nil); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}

func (p *probe) do(ctx context.Context, method, path, token string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("probe: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("probe: %s: %s", path, res.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(into)
}
