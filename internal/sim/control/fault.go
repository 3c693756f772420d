package control

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/regions"
)

// faultQuery renders a fault as the parameters of a call; parseFault reads them.
func faultQuery(f cluster.Fault) url.Values {
	q := url.Values{"kind": {string(f.Kind)}, "target": {f.Target}}
	if f.From != "" {
		q.Set("from", string(f.From))
	}
	if f.OneWay {
		q.Set("one_way", "true")
	}
	if f.Factor != 0 {
		q.Set("factor", strconv.FormatFloat(f.Factor, 'g', -1, 64))
	}
	if f.Every != 0 {
		q.Set("every", f.Every.String())
	}
	if f.For != 0 {
		q.Set("for", f.For.String())
	}
	return q
}

// parseFault reads what faultQuery renders. Errors are cluster.ErrBadFault.
func parseFault(r *http.Request) (cluster.Fault, error) {
	f := cluster.Fault{Kind: cluster.FaultKind(r.FormValue("kind")), Target: r.FormValue("target"), From: regions.Name(r.FormValue("from"))}
	fields := []struct {
		name string
		take func(string) error
	}{
		{"one_way", func(s string) (err error) { f.OneWay, err = strconv.ParseBool(s); return err }},
		{"factor", func(s string) (err error) { f.Factor, err = strconv.ParseFloat(s, 64); return err }},
		{"every", func(s string) (err error) { f.Every, err = time.ParseDuration(s); return err }},
		{"for", func(s string) (err error) { f.For, err = time.ParseDuration(s); return err }},
	}
	for _, field := range fields {
		if s := r.FormValue(field.name); s != "" {
			if err := field.take(s); err != nil {
				return f, fmt.Errorf("%w: %s: %w", cluster.ErrBadFault, field.name, err)
			}
		}
	}
	return f, f.Validate()
}
