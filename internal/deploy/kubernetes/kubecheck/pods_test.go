package kubecheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pod is one of Meridian's, as far as the check looks.
type pod struct {
	Metadata struct {
		UID, Name         string
		ResourceVersion   string
		Labels            map[string]string
		DeletionTimestamp *time.Time
	}
	Spec struct {
		NodeName   string
		Containers []struct{ Image string }
		Volumes    []struct {
			Name      string
			Projected struct {
				Sources []struct{ ServiceAccountToken *struct{} }
			}
		}
	}
	Status struct {
		Phase      string
		Conditions []struct{ Type, Status, Reason string }
	}
}

// part is what a pod is one of.
func (p pod) part() string {
	if p.Metadata.Labels["app.kubernetes.io/name"] == "consul" {
		return "consul"
	}
	return p.Metadata.Labels["app.kubernetes.io/component"]
}

func (p pod) is(condition, status string) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c struct{ Type, Status, Reason string }) bool {
		return c.Type == condition && c.Status == status
	})
}

// zone is that of the pod's node, which carries its name.
func (p pod) zone() string {
	i := strings.LastIndex(p.Spec.NodeName, "-")
	return p.Spec.NodeName[:max(0, i)]
}

// watch follows the pods of the namespace, each change of them, and keeps the fewest that were ready.
type watch struct {
	mu      sync.Mutex
	pods    map[string]pod
	lost    map[string]bool // zones whose pods are gone, whatever the API server still says of them
	least   map[string]int
	changed chan struct{} // closed with the next change
	version string        // of the last event; of the goroutine that follows
	err     error
}

// startWatch follows the pods of a region, of which there are none yet, until the test ends.
func startWatch(t *testing.T, p *plane, region string) *watch {
	t.Helper()
	w := newWatch()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for w.err == nil { // the API server ends a watch that is too slow for it: it goes on where it was
			events, err := p.get(region, "/api/v1/namespaces/"+namespace+"/pods?watch=1&resourceVersion="+w.version)
			if err == nil {
				err = w.follow(events)
				events.Close()
			}
			if t.Context().Err() != nil {
				return
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				w.change(func() { w.err = fmt.Errorf("the watch of pods ends: %w", err) })
			}
		}
	}()
	t.Cleanup(func() { <-done })
	return w
}

func newWatch() *watch {
	return &watch{pods: map[string]pod{}, lost: map[string]bool{}, least: map[string]int{}, changed: make(chan struct{})}
}

// follow takes up events until they end, and returns why they do.
func (w *watch) follow(events io.Reader) error {
	dec := json.NewDecoder(events)
	for {
		var e struct {
			Type   string
			Object pod
		}
		if err := dec.Decode(&e); err != nil {
			return err
		}
		if e.Type == "ERROR" {
			return errors.New("the API server does not know any more what came after " + w.version)
		}
		w.version = e.Object.Metadata.ResourceVersion
		w.change(func() {
			if e.Type == "DELETED" {
				delete(w.pods, e.Object.Metadata.UID)
				return
			}
			w.pods[e.Object.Metadata.UID] = e.Object
		})
	}
}

// change changes what is known, counts, and tells whoever waits.
func (w *watch) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
	ready := w.count()
	for part, least := range w.least {
		w.least[part] = min(least, ready[part])
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// count returns how many pods of each part are ready. One that ends is not counted, though it serves for a while.
func (w *watch) count() map[string]int {
	out := map[string]int{}
	for _, p := range w.pods {
		if p.is("Ready", "True") && p.Metadata.DeletionTimestamp == nil && !w.lost[p.zone()] {
			out[p.part()]++
		}
	}
	return out
}

// begin counts anew.
func (w *watch) begin() {
	w.change(func() { w.least = w.count() })
}

// fewest returns the fewest pods of each part that were ready since the beginning.
func (w *watch) fewest() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.least)
}

// lose and regain say that a zone is gone, and there again.
func (w *watch) lose(zone string)   { w.change(func() { w.lost[zone] = true }) }
func (w *watch) regain(zone string) { w.change(func() { delete(w.lost, zone) }) }

// state is what a condition is asked about.
type state struct {
	ready map[string]int
	pods  []pod
}

// until waits for a condition, which says what is missing, and "" once nothing is.
func (w *watch) until(ctx context.Context, long time.Duration, missing func(state) string) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	for {
		w.mu.Lock()
		now, changed, err := state{w.count(), slices.Collect(maps.Values(w.pods))}, w.changed, w.err
		w.mu.Unlock()
		lacks := missing(now)
		switch {
		case lacks == "":
			return nil
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("after " + long.String() + ": " + lacks)
		case <-changed:
		}
	}
}

// lacking says which part has fewer pods ready than it wants.
func lacking(want map[string]int) func(state) string {
	return func(s state) string {
		var out []string
		for _, part := range slices.Sorted(maps.Keys(want)) {
			if s.ready[part] < want[part] {
				out = append(out, fmt.Sprintf("%d of %d %s are ready", s.ready[part], want[part], part))
			}
		}
		return strings.Join(out, ", ")
	}
}

// spread returns how many pods of each part are in each zone.
func (s state) spread() map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, p := range s.pods {
		if p.Metadata.DeletionTimestamp != nil || p.Status.Phase != "Running" {
			continue
		}
		if out[p.part()] == nil {
			out[p.part()] = map[string]int{}
		}
		out[p.part()][p.zone()]++
	}
	return out
}

// TestWatch: the fewest are counted at each change, and neither what ends nor what a lost zone had.
func TestWatch(t *testing.T) {
	t.Parallel()
	event := func(kind, uid, node, ready, ends string) string {
		return fmt.Sprintf(`{"type": %q, "object": {"metadata": {"uid": %q, "labels": {"app.kubernetes.io/component": "edge"}%s},
			"spec": {"nodeName": %q}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": %q}]}}}`, kind, uid, ends, node, ready)
	}
	w := newWatch()
	step := func(want, fewest int, events ...string) {
		t.Helper()
		if err := w.follow(strings.NewReader(strings.Join(events, "\n"))); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if got := w.count()["edge"]; got != want || w.fewest()["edge"] != fewest {
			t.Errorf("%d are ready and %d were at least, want %d and %d", got, w.fewest()["edge"], want, fewest)
		}
	}
	step(2, 0, event("ADDED", "1", "a-1", "True", ""), event("ADDED", "2", "b-1", "True", ""), event("ADDED", "3", "c-1", "False", ""))
	w.begin()
	step(2, 2)
	step(2, 1, event("MODIFIED", "2", "b-1", "True", `, "deletionTimestamp": "2026-01-01T00:00:00Z"`), event("MODIFIED", "3", "c-1", "True", ""))
	step(2, 1, event("DELETED", "2", "b-1", "True", ""))
	w.lose("a")
	step(1, 1)
	w.lose("c")
	step(0, 0)
	w.regain("a")
	step(1, 0)
}
