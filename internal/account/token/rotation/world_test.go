package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/account/token/rotation"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	lives   = time.Minute      // a token
	looks   = 10 * time.Second // between two looks of a process at its file
	cached  = 5 * time.Minute  // a copy of the published keys, of somebody who verifies by it
	leaves  = 75 * time.Second // a process that has left Consul goes on serving
	timeout = 10 * time.Minute
)

// process is a stack, an edge, or somebody elsewhere who verifies by a copy of what a stack publishes.
type process struct {
	rotation.Process
	keys token.KeySet
}

// world is a deployment in which tokens are signed all the time, and shown to everybody for as long as they live.
type world struct {
	mu        sync.Mutex
	file      token.KeySet                  // the operator's
	delivered map[regions.Name]token.KeySet // what processes read
	processes []*process
	copies    []*process
	leaving   []leaving            // who is listed no more, and looks at no file
	away      regions.Name         // whose Consul does not answer
	deaf      string               // a process that never reads its file again
	lives     map[string]time.Time // until when tokens of a key do
	refused   []string
	lag       func() time.Duration // of a delivery to a region
	said      []string
	heard     func(text string) // is told what is said
}

// leaving is a process that another one has taken the place of.
type leaving struct {
	process
	until time.Time
}

var names = []regions.Name{"us-east-1", "eu-west-1", "ap-southeast-1"}

// newWorld starts a world in a bubble of synctest; it ends with ctx.
func newWorld(ctx context.Context, t *testing.T, seed uint64) *world {
	t.Helper()
	set, err := token.Generate(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{file: set, delivered: map[regions.Name]token.KeySet{}, lives: map[string]time.Time{}}
	w.lag = func() time.Duration { return time.Duration(w.random(rng, 40)) * time.Second }
	for _, region := range names {
		w.delivered[region] = set
		for n := range 3 {
			p := &process{keys: set, Process: rotation.Process{Region: region, ID: fmt.Sprintf("%s-stack-%d", region, n+1), Edge: n == 2}}
			if p.Edge {
				p.ID = string(region) + "-edge"
			}
			w.processes = append(w.processes, p)
			offset := time.Duration(rng.IntN(10)) * time.Second
			go every(ctx, offset, looks, func() { w.read(p) })
		}
		elsewhere := &process{keys: set, Process: rotation.Process{ID: "a copy of " + string(region)}}
		w.copies = append(w.copies, elsewhere)
		of := w.processes[len(w.processes)-2]
		go every(ctx, time.Duration(rng.IntN(300))*time.Second, cached, func() { w.copy(elsewhere, of) })
	}
	go every(ctx, time.Duration(rng.IntN(20))*time.Second, 20*time.Second, func() { w.leave(w.processes[w.random(rng, len(w.processes))]) })
	go every(ctx, 0, time.Second, w.use)
	return w
}

func (w *world) random(rng *rand.Rand, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rng.IntN(n)
}

func every(ctx context.Context, offset, d time.Duration, do func()) {
	for clock.Sleep(ctx, offset) == nil {
		do()
		offset = d
	}
}

// read takes a region's file up, as processes do.
func (w *world) read(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.delivered[p.Region]
	if p.ID != w.deaf && next.Succeeds(p.keys) == nil {
		p.keys = next
	}
}

// leave has a process replaced by one that starts with the file of its region.
func (w *world) leave(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.ID == w.deaf {
		return
	}
	w.leaving = append(w.leaving, leaving{*p, time.Now().Add(leaves)})
	p.keys = w.delivered[p.Region]
}

func (w *world) copy(to, of *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	to.keys = of.keys
}

// use has every stack sign a token, and everybody verify all that live.
func (w *world) use() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.leaving = slices.DeleteFunc(w.leaving, func(l leaving) bool { return !now.Before(l.until) })
	serving := slices.Clone(w.processes)
	for _, l := range w.leaving {
		serving = append(serving, &l.process)
	}
	for _, p := range serving {
		if !p.Edge {
			w.lives[p.keys.Signer()] = now.Add(lives)
		}
	}
	for id, until := range w.lives {
		for _, p := range slices.Concat(serving, w.copies) {
			if now.Before(until) && !p.keys.Has(id) {
				w.refused = append(w.refused, fmt.Sprintf("%s refuses a token of %s", p.ID, rotation.Short(id)))
			}
		}
	}
}

// Processes implements rotation.Fleet.
func (w *world) Processes(_ context.Context, region regions.Name) ([]rotation.Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if region == w.away {
		return nil, errors.New("no route to host")
	}
	var out []rotation.Process
	for _, p := range w.processes {
		if p.Region != region {
			continue
		}
		s := &token.Standing{}
		for _, k := range p.keys.Keys() {
			s.Verifies = append(s.Verifies, k.ID)
		}
		if !p.Edge {
			s.Signs = p.keys.Signer()
			s.Longest = lives
		}
		said := p.Process
		said.Keys = s
		out = append(out, said)
	}
	return out, nil
}

// deliver brings the file to every region.
func (w *world) deliver(ctx context.Context) error {
	return w.bring(ctx, func() token.KeySet { return w.file })
}

// bring brings a file to one region after the other, each in its time.
func (w *world) bring(ctx context.Context, file func() token.KeySet) error {
	for _, region := range names {
		select {
		case <-time.After(w.lag()):
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
		w.delivered[region] = file()
		w.mu.Unlock()
	}
	return nil
}

func (w *world) save(_, next token.KeySet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file = next
	return nil
}

func (w *world) rotate(t *testing.T, back bool) *rotation.Rotation {
	t.Helper()
	r, err := rotation.New(rotation.Config{
		Regions: names, Fleet: w, Save: w.save, Deliver: w.deliver, Clock: time.Now, Back: back, Cached: cached, Leaving: leaves, Timeout: timeout, Poll: 2 * time.Second,
		Load:   func() (token.KeySet, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.file, nil },
		Report: w.report,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) report(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
	if w.heard != nil {
		w.heard(text)
	}
}

// has gives every process a set, and the operator a file.
func (w *world) has(processes, file token.KeySet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file = file
	for _, region := range names {
		w.delivered[region] = processes
	}
	for _, p := range slices.Concat(w.processes, w.copies) {
		p.keys = processes
	}
}

// alone wants everybody to have one key, which signs, and that no token was ever refused.
func (w *world) alone(t *testing.T, id string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.processes {
		if len(p.keys.Keys()) != 1 || p.keys.Signer() != id {
			t.Errorf("%s has %v, want %s alone", p.ID, p.keys, id)
		}
	}
	w.spotless(t)
}

func (w *world) spotless(t *testing.T) {
	t.Helper()
	if len(w.refused) > 0 {
		t.Errorf("%d refusals, such as: %s\n%s", len(w.refused), w.refused[0], strings.Join(w.said, "\n"))
	}
}

func (w *world) signer() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file.Signer()
}

// operator is a second one, with a file of its own.
type operator struct {
	world *world
	file  token.KeySet // beside world.mu
}

func (o *operator) rotate(t *testing.T) *rotation.Rotation {
	t.Helper()
	c := o.world.rotate(t, false).Config
	c.Load = func() (token.KeySet, error) { return o.file, nil }
	c.Save = func(_, next token.KeySet) error { o.file = next; return nil }
	c.Deliver = func(ctx context.Context) error { return o.world.bring(ctx, func() token.KeySet { return o.file }) }
	r, err := rotation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
