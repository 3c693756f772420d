package rollingupgrade

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// served is what a process says of itself: its release, and how many requests it has answered since it started.
type served struct {
	release  Release
	requests int
}

// The metrics that tell: a stack's answered calls, an edge's answered requests.
const (
	stackDurations = "meridian_rpc_server_duration_seconds"
	edgeRequests   = "meridian_edge_requests_total"
	buildInfo      = "meridian_build_info"
)

// ask reads a process's metrics.
func ask(ctx context.Context, r *scenario.Run, name string) (served, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Cluster.Admin(name)+"/metrics", nil)
	if err != nil {
		return served{}, fmt.Errorf("rolling-upgrade: metrics: %w", err)
	}
	req.Close = true // the process may be another one next time
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return served{}, fmt.Errorf("rolling-upgrade: metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		return served{}, fmt.Errorf("rolling-upgrade: metrics of %s: %s", name, res.Status)
	}
	return read(res.Body)
}

// read reads metrics in Prometheus's text format.
func read(metrics io.Reader) (served, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(metrics)
	if err != nil {
		return served{}, fmt.Errorf("rolling-upgrade: metrics: %w", err)
	}
	var s served
	for _, series := range families[stackDurations].GetMetric() {
		s.requests += int(series.GetHistogram().GetSampleCount())
	}
	for _, series := range families[edgeRequests].GetMetric() {
		s.requests += int(series.GetCounter().GetValue())
	}
	for _, series := range families[buildInfo].GetMetric() {
		build := map[string]string{}
		for _, l := range series.GetLabel() {
			build[l.GetName()] = l.GetValue()
		}
		s.release = Release(build["version"] + " (" + build["commit"] + ", " + build["goversion"] + ")")
	}
	if s.release == "" {
		return s, fmt.Errorf("rolling-upgrade: metrics have no %s", buildInfo)
	}
	return s, nil
}

// Release is what a process says that it was built from.
type Release string

// Commit is the release's, as its version string has it.
func (r Release) Commit() string {
	_, rest, ok := strings.Cut(string(r), "(")
	if !ok {
		return string(r)
	}
	commit, _, _ := strings.Cut(rest, ",")
	return commit
}
