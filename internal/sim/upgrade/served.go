package upgrade

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// served is what a process says of itself: its release, and how many requests it has answered since it started.
type served struct {
	release  string
	requests int
}

// The metrics that tell: a stack's answered calls, an edge's answered requests.
const (
	stackRequests = "meridian_rpc_server_duration_seconds_count"
	edgeRequests  = "meridian_edge_requests_total"
	buildInfo     = "meridian_build_info"
)

// ask reads a process's metrics at its admin listener, host:port.
func ask(ctx context.Context, client *http.Client, admin string) (served, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return served{}, fmt.Errorf("upgrade: metrics: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return served{}, fmt.Errorf("upgrade: metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		return served{}, fmt.Errorf("upgrade: metrics of %s: %s", admin, res.Status)
	}
	return read(res.Body)
}

var label = regexp.MustCompile(`(\w+)="([^"]*)"`)

// read reads metrics in Prometheus's text format.
func read(metrics io.Reader) (served, error) {
	var s served
	lines := bufio.NewScanner(metrics)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), "{")
		if !ok {
			continue
		}
		labels, value, ok := strings.Cut(rest, "} ")
		if !ok {
			continue
		}
		switch name {
		case buildInfo:
			build := map[string]string{}
			for _, l := range label.FindAllStringSubmatch(labels, -1) {
				build[l[1]] = l[2]
			}
			s.release = build["version"] + " (" + build["commit"] + ", " + build["goversion"] + ")"
		case stackRequests, edgeRequests:
			n, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			if err != nil {
				return s, fmt.Errorf("upgrade: metrics: %w", err)
			}
			s.requests += int(n)
		}
	}
	if err := lines.Err(); err != nil {
		return s, fmt.Errorf("upgrade: metrics: %w", err)
	}
	if s.release == "" {
		return s, fmt.Errorf("upgrade: metrics have no %s", buildInfo)
	}
	return s, nil
}

// short is a release's commit, as its version string has it.
func short(release string) string {
	_, rest, ok := strings.Cut(release, "(")
	if !ok {
		return release
	}
	commit, _, _ := strings.Cut(rest, ",")
	return commit
}
