package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/meridian-commerce/meridian/regions"
)

const (
	queryTimeout = 10 * time.Second
	maxAnswer    = 1 << 20 // bytes
)

// Prometheus is a Meter at one Prometheus that scrapes the edges of every region, or at one of each region, each of which
// scrapes its own. Every edge has its region as the label cloud_region. It is safe for concurrent use.
type Prometheus struct {
	addresses []string
	client    *http.Client
}

// NewPrometheus returns a meter at base URLs, as of http://prometheus:9090. No edge may be scraped by two of them: what they
// count is added.
func NewPrometheus(addresses ...string) (*Prometheus, error) {
	p := &Prometheus{client: &http.Client{Timeout: queryTimeout}}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("rollout: %q is not the URL of a Prometheus", address)
		}
		p.addresses = append(p.addresses, strings.TrimSuffix(address, "/"))
	}
	if len(addresses) == 0 {
		return nil, errors.New("rollout: a Prometheus is needed, or one of each region")
	}
	return p, nil
}

// indicator is one way to look at a region's requests, as selectors with the region's name for %s.
type indicator struct{ name, all, bad string }

func indicators() []indicator {
	const (
		answers  = `meridian_edge_answer_duration_seconds_count{cloud_region="%s",class!="background",result!="canceled"`
		requests = `meridian_edge_requests_total{region="%s",code!="canceled"`
	)
	return []indicator{
		{"answers of the region's edges", answers + `}`, answers + `,result!~"ok|refused"}`},
		{"requests that its stacks served", requests + `}`, requests + `,code=~"5..|aborted"}`},
	}
}

// Count implements Meter.
func (p *Prometheus) Count(ctx context.Context, region regions.Name, last time.Duration) ([]Sample, error) {
	var out []Sample
	for _, i := range indicators() {
		s := Sample{Indicator: i.name}
		for selector, value := range map[string]*float64{i.all: &s.All, i.bad: &s.Bad} {
			var err error
			query := fmt.Sprintf("sum(increase("+selector+"[%ds]))", region, int(last.Seconds()))
			if *value, err = p.query(ctx, query); err != nil {
				return nil, err
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// Traffic returns the requests that the stacks of each region served in the last hour.
func (p *Prometheus) Traffic(ctx context.Context, names []regions.Name) (map[regions.Name]float64, error) {
	out := map[regions.Name]float64{}
	for _, n := range names {
		var err error
		if out[n], err = p.query(ctx, fmt.Sprintf(`sum(increase(meridian_edge_requests_total{region="%s"}[1h]))`, n)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// query returns the sum of what every Prometheus answers to a query, 0 when nothing matches. One that does not answer is an
// error: it could be the one that knows.
func (p *Prometheus) query(ctx context.Context, query string) (float64, error) {
	sum := 0.0
	for _, address := range p.addresses {
		value, err := p.ask(ctx, address, query)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

func (p *Prometheus) ask(ctx context.Context, address, query string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/v1/query?query="+url.QueryEscape(query), http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("rollout: ask Prometheus: %w", err)
	}
	answer, err := p.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("rollout: ask Prometheus: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // only read
	value, err := parseAnswer(answer.Body)
	if err != nil {
		return 0, fmt.Errorf("rollout: Prometheus answers %s to %s: %w", answer.Status, query, err)
	}
	return value, nil
}

func parseAnswer(answer io.Reader) (float64, error) {
	var body struct {
		Status, Error string
		Data          struct{ Result model.Vector }
	}
	switch err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(&body); {
	case err != nil:
		return 0, err
	case body.Status != "success":
		return 0, errors.New(body.Error)
	case len(body.Data.Result) == 0:
		return 0, nil
	case len(body.Data.Result) > 1:
		return 0, errors.New("more than one value")
	}
	return float64(body.Data.Result[0].Value), nil
}
