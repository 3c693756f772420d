package discovery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	minPause   = 100 * time.Millisecond // between two queries that succeed
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// regionState is what is known of one region. View.mu guards it.
type regionState struct {
	name      regions.Name
	source    Source
	since     time.Time // when watching began
	loaded    bool      // it was listed at least once
	instances map[string]*tracked
	standing  standing
}

// tracked is one instance under probe. View.mu guards it.
type tracked struct {
	endpoint *Endpoint
	check    checker
	since    time.Time // when it became healthy
	ejection ejection
	orphan   bool // gone from Consul, kept as long as it answers
	up       context.Context
	down     context.CancelFunc // ends up
	stop     context.CancelFunc // ends its probes
}

// count returns how many of a region's instances are so.
func (s *regionState) count(is func(*tracked) bool) int {
	n := 0
	for _, t := range s.instances {
		if is(t) {
			n++
		}
	}
	return n
}

// unsettled returns why the region is not settled yet, or "".
func (s *regionState) unsettled() string {
	if !s.loaded {
		if s.since.IsZero() || time.Since(s.since) < settleAfter {
			return "was not listed"
		}
		return ""
	}
	if s.count(func(t *tracked) bool { return !t.check.known }) > 0 {
		return "was not probed"
	}
	return ""
}

// watch follows one region's membership until ctx is done.
func (v *View) watch(ctx context.Context, region regions.Name) {
	follow(ctx, func(index uint64) (uint64, error) {
		list, next, err := v.listOwn(ctx, region, index)
		if err == nil {
			v.apply(region, list, SourceConsul)
			return next, nil
		}
		if ctx.Err() != nil {
			return 0, err
		}
		if list, crossErr := v.listCrossDC(ctx, region); crossErr == nil {
			v.apply(region, list, SourceCrossDC)
		} else {
			// What was listed last stays: that Consul is away says nothing about the instances.
			v.lost(region, errors.Join(err, crossErr))
		}
		return 0, err
	})
}

// follow asks a Consul until ctx is done for what came after the index of its last answer, or for all there is with 0;
// after an error it waits, longer each time.
func follow(ctx context.Context, ask func(index uint64) (next uint64, err error)) {
	var index uint64
	retry := firstRetry
	for ctx.Err() == nil {
		next, err := ask(index)
		if err != nil {
			index = 0 // whoever answers next counts by an index of its own
			// Jitter keeps edges from all asking a Consul that comes back at once.
			_ = clock.Sleep(ctx, retry/2+rand.N(retry/2+1))
			retry = min(2*retry, lastRetry)
			continue
		}
		if next < index {
			next = 0 // Consul's advice: its state went back, start over
		}
		// Consul answers the next question once its state has passed this index, or after a while.
		index = next
		retry = firstRetry
		_ = clock.Sleep(ctx, minPause) // what changes all the time must not make a busy loop
	}
}

var errNoDirectory = errors.New("discovery: no Consul is configured for the region")

func (v *View) listOwn(ctx context.Context, region regions.Name, index uint64) ([]registered, uint64, error) {
	if d, ok := v.own[region]; ok {
		return d.list(ctx, region, index)
	}
	return nil, 0, errNoDirectory
}

func (v *View) listCrossDC(ctx context.Context, region regions.Name) ([]registered, error) {
	if v.crossDC == nil || region == v.region {
		return nil, errNoDirectory
	}
	list, _, err := v.crossDC.list(ctx, region, 0)
	return list, err
}

// apply takes a listing in. A region that lists nobody any more keeps the instances that still answer: its
// Consul lost its state, and they will register again.
func (v *View) apply(region regions.Name, list []registered, source Source) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.states[region]
	v.heardFrom(s, source, nil)
	s.loaded = true
	listed := make(map[string]bool, len(list))
	for _, r := range list {
		listed[r.id] = true
		addr := v.nat.Translate(r.addr)
		if t, ok := s.instances[r.id]; ok && t.endpoint.Addr == addr && t.endpoint.Target == r.target {
			t.orphan = false
			continue
		} else if ok {
			t.stop()
		}
		s.instances[r.id] = v.track(NewEndpoint(r.id, addr, region, r.target, v.regions.RTT(v.region, region)))
		v.log.Info("instance found", slog.String("instance", r.id), slog.String("region", string(region)), slog.String("addr", addr))
	}
	for id, t := range s.instances {
		switch {
		case listed[id]:
		case t.check.healthy && (len(list) == 0 || t.orphan):
			t.orphan = true
		default:
			v.forget(s, id)
		}
	}
	v.publish()
}

// lost notes that nobody lists the region now.
func (v *View) lost(region regions.Name, cause error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.states[region]
	if s.source == SourceNone {
		v.log.Debug("region cannot be listed", slog.String("region", string(region)), slog.Any("error", cause))
		return
	}
	if v.heardFrom(s, SourceLastKnown, cause) {
		v.publish()
	}
}

// heardFrom notes a region's source and reports whether it changed.
func (v *View) heardFrom(s *regionState, source Source, cause error) bool {
	if s.source == source {
		return false
	}
	level := slog.LevelInfo
	if source != SourceConsul {
		level = slog.LevelWarn
	}
	v.log.Log(context.Background(), level, "membership source changed", slog.String("region", string(s.name)),
		slog.String("from", string(s.source)), slog.String("to", string(source)), slog.Any("error", cause))
	s.source = source
	return true
}

// track starts the probes of a new instance. The caller holds mu.
func (v *View) track(e *Endpoint) *tracked {
	t := &tracked{endpoint: e}
	t.up, t.down = context.WithCancel(context.Background())
	var ctx context.Context
	// Probes live as long as Run and the instance's registration, whichever ends first.
	ctx, t.stop = context.WithCancel(v.running)
	v.probes.Go(func() { v.probeLoop(ctx, t) })
	return t
}

// forget drops an instance; what is under way there goes on. The caller holds mu.
func (v *View) forget(s *regionState, id string) {
	s.instances[id].stop()
	delete(s.instances, id)
	v.log.Info("instance gone", slog.String("instance", id), slog.String("region", string(s.name)))
}

// probeLoop probes one instance on every tick, whether or not earlier probes were answered, so that one that
// hangs is found after an interval, a tick and a time-out. Time-outs bound how many are under way.
func (v *View) probeLoop(ctx context.Context, t *tracked) {
	// The way there is not the instance's fault, so it is added to the time that it has.
	timeout := probeTimeout + v.regions.RTT(v.region, t.endpoint.Region)
	// Probes of instances that were listed together are spread a little.
	_ = clock.Sleep(ctx, rand.N(probeInterval/10))
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		v.probes.Go(func() {
			attempt, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			load, err := v.probe(attempt, t.endpoint.Addr)
			if err == nil {
				t.endpoint.Answered()
				t.endpoint.Loaded(load)
			}
			if ctx.Err() == nil {
				v.observe(t, err)
			}
		})
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (v *View) observe(t *tracked, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	// A late probe of an instance that has left must not bring it back.
	if v.states[t.endpoint.Region].instances[t.endpoint.ID] == t && t.check.observe(err == nil) {
		v.changed(t, err)
	}
}

// ReportFailure takes in that a real request could not reach an instance: refused connections make it
// unhealthy at once; other failures count as one failed probe. Instances that are not in the view are ignored.
func (v *View) ReportFailure(e *Endpoint, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, t := v.find(e)
	if t == nil {
		return
	}
	// Nobody listens there any more, which one refusal proves: there is nothing to wait for.
	if errors.Is(err, syscall.ECONNREFUSED) && t.check.fail() || t.check.observe(false) {
		v.changed(t, err)
	}
}

// changed acts on a change of an instance's health. The caller holds mu.
func (v *View) changed(t *tracked, cause error) {
	e := t.endpoint
	attrs := []any{slog.String("instance", e.ID), slog.String("region", string(e.Region)), slog.Any("error", cause)}
	if t.check.healthy {
		t.since = time.Now()
		if t.up.Err() != nil {
			t.up, t.down = context.WithCancel(context.Background())
		}
		v.log.Info("instance is healthy", attrs[:2]...)
	} else {
		// One that says itself that it is not ready still finishes what it has begun.
		if !errors.Is(cause, errNotReady) {
			t.down()
		}
		v.log.Warn("instance is unhealthy", attrs...)
		if t.orphan {
			v.forget(v.states[e.Region], e.ID)
		}
	}
	v.publish()
}
