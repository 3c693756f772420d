// Package cluster starts, breaks, heals and stops a whole simulation: real processes for every region of a
// plan, the database with its locality model, the payment provider and the WAN between the regions. Nothing of
// it outlives the process that started it.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/sim/locality"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
)

// How long a part may take to get ready. A busy machine is slow, not broken.
const readyTimeout = 90 * time.Second

// How long a part may take to leave when the whole simulation ends: the product's own delay, and a little.
const closeTimeout = 5 * time.Second

// Options say what to simulate. Plan is required; the rest has defaults.
type Options struct {
	Plan        *topology.Plan
	RegionsFile string    // the plan's catalog; empty: the built-in one
	Seed        uint64    // of what the simulation draws: how long leases stall
	StateDir    string    // empty: DefaultStateDir
	Meridian    string    // the meridian program; empty: beside this program, else in PATH
	Simulator   string    // the meridian-sim program; empty: this program
	Env         []string  // more environment of Meridian's processes, NAME=value
	Out         io.Writer // progress and alarms, one line each; nil: none

	// Origins are web origins whose pages may call the edges, or "*"; empty: none.
	Origins []string
	// Archive is how long the database's log waits at most to be archived; 0: no archive, and no backup.
	Archive time.Duration
	// Leave is how long stacks and edges go on serving once they are to stop; zero: as the product does by itself.
	Leave Leave
	// Older says that Meridian may be a former release, whose configuration has fewer keys.
	Older bool

	// Provider is more of the payment provider's command line: how often it declines, say.
	Provider []string
	// LoseCommits has gateways lose the answer of one of so many commits, after the database has committed; 0: of none.
	LoseCommits int

	// Front returns the address (host:port) by which edges of its region are to call a stack; nil: its own. Other
	// regions reach only stacks without a front.
	Front func(topology.Stack) string

	bare bool // leave out what the meridian program runs: stacks, edges, the provider, the schema
}

// Cluster is a running simulation. It is safe for concurrent use.
type Cluster struct {
	opts       Options
	plan       *topology.Plan
	state      *stateDir
	tools      tools
	keys       map[string]bool // that a configuration may have; nil: all
	started    time.Time
	supervisor *proc.Supervisor
	network    *wan.Network
	database   *postgres.Server
	model      *locality.Model
	parts      []*part

	faults sync.Mutex // one fault or Heal at a time
	random *rand.Rand // guarded by faults

	printing sync.Mutex
}

// Start starts a simulation and returns when every part is ready, or after it has cleaned up what it started.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Plan == nil {
		return nil, errors.New("cluster: a simulation needs a plan")
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	tools, err := findTools(o)
	if err != nil {
		return nil, err
	}
	state, err := openState(o.Plan, o.StateDir)
	if err != nil {
		return nil, err
	}
	if err := checkAddresses(ctx, addresses(o.Plan)); err != nil {
		state.release()
		return nil, err
	}
	c := &Cluster{
		opts: o, plan: o.Plan, state: state, tools: tools, started: time.Now(),
		random: rand.New(rand.NewPCG(o.Seed, 0)),
	}
	c.supervisor = proc.New(c.alarm)
	c.parts = c.allParts()
	if err := c.boot(ctx); err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	c.say("everything is ready")
	return c, nil
}

func (c *Cluster) boot(ctx context.Context) error {
	if c.opts.Older {
		var err error
		if c.keys, err = keysOf(ctx, c.tools.meridian); err != nil {
			return err
		}
	}
	var err error
	if c.network, err = wan.Open(c.plan); err != nil {
		return err
	}
	c.say("WAN between %d regions", len(c.plan.Regions))
	base, during := errgroup.WithContext(ctx)
	base.Go(func() error { return c.startDatabase(during) })
	base.Go(func() error { return c.startAll(during, c.parts, true) })
	if err := base.Wait(); err != nil {
		return err
	}
	return c.startAll(ctx, c.parts, false)
}

// Plan is the address plan.
func (c *Cluster) Plan() *topology.Plan { return c.plan }

// Database is the server of the simulation's database, to be backed up and followed.
func (c *Cluster) Database() *postgres.Server { return c.database }

// DatabaseURL is how the database's superuser reaches it, past every gateway and the locality model.
func (c *Cluster) DatabaseURL() string { return c.database.URL(databaseName) }

// StateDir is the folder with the logs and data of the simulation.
func (c *Cluster) StateDir() string { return c.state.path }

// Close stops every process and gives the state folder back; its logs and data stay until the next start.
func (c *Cluster) Close(ctx context.Context) {
	c.say("stopping")
	c.faults.Lock()
	c.endFlaps(c.parts)
	c.faults.Unlock()
	for _, base := range []bool{false, true} {
		var names []string
		for _, p := range c.parts {
			if p.kind.base() == base {
				names = append(names, p.name)
			}
		}
		// Whoever could still send a request ends with the simulation, so what takes long to leave is not waited for.
		limited, cancel := context.WithTimeout(ctx, closeTimeout)
		c.supervisor.Stop(limited, names...)
		cancel()
	}
	if c.model != nil {
		_ = c.model.Close(ctx) // the server goes with it
	}
	c.supervisor.Close(ctx)
	if c.network != nil {
		c.network.Close()
	}
	c.state.release()
}

// startAll brings some parts up at the same time, those that others need or those that need them, whether they run
// already or not, and waits until they are ready.
func (c *Cluster) startAll(ctx context.Context, parts []*part, base bool) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		if p.kind.base() == base {
			group.Go(func() error { return c.start(ctx, p) })
		}
	}
	return group.Wait()
}

// start starts a part, unless it runs, and waits until it is ready. One that ends meanwhile, as it was about to, is
// started; one that ends after it was started has a reason for that.
func (c *Cluster) start(ctx context.Context, p *part) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	process := c.supervisor.Lookup(p.name)
	err := proc.ErrExited
	if process.Running() {
		err = process.Await(ctx, p.ready)
	}
	if errors.Is(err, proc.ErrExited) {
		if process, err = c.launch(p); err == nil {
			err = process.Await(ctx, p.ready)
		}
	}
	if err != nil {
		return err
	}
	c.say("%-28s ready after %.1f s", p.name, time.Since(begun).Seconds())
	return nil
}

// launch starts a part without waiting for it.
func (c *Cluster) launch(p *part) (*proc.Process, error) {
	process, err := c.supervisor.Start(p.spec)
	if err == nil && p.remote != "" {
		go c.expose(p, process)
	}
	return process, err
}

// expose lets other regions' connections through once the process listens.
func (c *Cluster) expose(p *part, process *proc.Process) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	if err := process.Await(ctx, func(ctx context.Context) error { return accepts(ctx, p.remote) }); err != nil {
		return // whoever waits for the part reports it
	}
	c.dead(p, false)
	if !process.Running() {
		c.dead(p, true)
	}
}

// dead tells the WAN whether nothing listens at a part's address.
func (c *Cluster) dead(p *part, dead bool) {
	if p.remote == "" {
		return
	}
	if err := c.network.Dead(p.remote, dead); err != nil {
		c.say("%s: %v", p.name, err)
	}
}

// kill ends the running process of a part with SIGKILL; its host refuses connections from then on.
func (c *Cluster) kill(p *part, process *proc.Process) {
	var together sync.WaitGroup
	together.Go(process.Kill)
	together.Go(func() { c.dead(p, true) })
	together.Wait()
}

// alarm reports a process that ended and was not asked to.
func (c *Cluster) alarm(s proc.State) {
	for _, p := range c.parts {
		if p.name == s.Name {
			c.dead(p, true)
		}
	}
	c.say("%s ended unexpectedly (%s); the end of %s:\n%s", s.Name, s.Exit, s.Log, s.LogTail)
}

func (c *Cluster) say(format string, args ...any) {
	c.printing.Lock()
	defer c.printing.Unlock()
	_, _ = fmt.Fprintf(c.opts.Out, "%6.1f s  %s\n", time.Since(c.started).Seconds(), fmt.Sprintf(format, args...))
}

func (c *Cluster) log(name string) string {
	return filepath.Join(c.state.path, "logs", filepath.FromSlash(name)+".log")
}
