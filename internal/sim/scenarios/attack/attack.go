// Package attack has one anonymous caller send what no stack can be sent, and then many connections send orders without
// a token as fast as this machine can, beside three shoppers. It measures whether anything leaves service, and what the
// shoppers notice.
//
// Stretches with the strange requests and without take turns, so that what else this machine does meanwhile counts for
// both alike.
package attack

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

const (
	city     = "Dublin" // where the shoppers are; whoever attacks calls the same edge
	shoppers = 3
	attacker = "203.0.113.66"

	warmUp = 5 * time.Second
)

//go:embed page.tmpl
var page string

// drill is the scenario under way.
type drill struct {
	pairs       int           // of stretches, without the attack and with it
	stretch     time.Duration // how long each is
	rate        float64       // strange requests per second
	flood       time.Duration
	floodRate   float64 // garbage per second, at most
	connections int     // that flood

	dial     func(ctx context.Context, address string) (net.Conn, error)
	flooding http.RoundTripper
	standing func(ctx context.Context, r *scenario.Run) ([]string, error) // who is out of service, as each edge says

	edge           string // host:port
	shop           []*visitor
	calm, attacked history.History // what shoppers did
	flooded        history.History
	sent           tally // strange requests
	garbage        tally
	left           map[string]bool // who left service during the turns
}

// Scenario attacks the edge that three shoppers use.
func Scenario() scenario.Scenario {
	d := &drill{
		dial: func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: answerTime}).DialContext(ctx, "tcp", address)
		},
		flooding: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		standing: standing,
	}
	return d.scenario()
}

func (d *drill) scenario() scenario.Scenario {
	return scenario.Scenario{
		Name: "attack", Page: page, Takes: 4 * time.Minute,
		Proves: "Attack an edge beside shoppers: nothing leaves service, and they hardly notice",
		Details: "Starts a simulation, and has one caller send strange requests to an edge, in turns with stretches without them, while\n" +
			"three shoppers read, fill carts and order there. Then many connections send orders without a token as fast as they are\n" +
			"answered. Fails if an instance or a region leaves service, or if the run proves nothing; with --strict also if the\n" +
			"shoppers notice more than the objectives allow.",
		Plants: []string{plant.BlamedStack}, PlantHelp: "a bug to plant", ProductPlants: true,
		Flags: func(fs *pflag.FlagSet) {
			fs.IntVar(&d.pairs, "pairs", 6, "stretches without strange requests, and as many with them")
			fs.DurationVar(&d.stretch, "stretch", 12*time.Second, "how long each lasts")
			fs.Float64Var(&d.rate, "strange-rate", 20, "strange requests per second")
			fs.DurationVar(&d.flood, "flood", 20*time.Second, "how long garbage is sent")
			fs.Float64Var(&d.floodRate, "flood-rate", 5000, "garbage per second, if this machine can send so much")
			fs.IntVar(&d.connections, "connections", 128, "of callers who flood; each waits for its answer")
		},
		Prepare: d.prepare, Steps: d.steps, Judge: d.judge,
	}
}

func (d *drill) prepare(context.Context, *scenario.Run) error {
	if d.pairs < 1 || d.stretch < time.Second || d.rate <= 0 || d.flood < time.Second || d.floodRate <= 0 || d.connections < 1 {
		return fmt.Errorf("attack: it takes at least one pair of stretches of a second, a second of flood, and some requests in each")
	}
	return nil
}

func (d *drill) steps(*scenario.Run) []scenario.Step {
	return []scenario.Step{
		{Name: "set up", Do: d.setUp},
		{Name: "take turns", Do: d.takeTurns},
		{Name: "flood", Do: d.floodIt},
	}
}

func (d *drill) setUp(ctx context.Context, r *scenario.Run) error {
	nearest, ok := r.Options.Plan.Lookup(r.Net.Nearest(city))
	if !ok {
		return fmt.Errorf("attack: no edge is near %s", city)
	}
	d.edge = nearest.Edge
	var err error
	if d.shop, err = openShop(ctx, r); err != nil {
		return err
	}
	var unused history.History
	return d.visit(ctx, &unused, warmUp)
}

// takeTurns has shoppers shop without the attack and beside it, one after the other.
func (d *drill) takeTurns(ctx context.Context, r *scenario.Run) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watched := make(chan map[string]bool, 1)
	go func() { watched <- d.watch(watching, r) }()
	for n := range 2 * d.pairs {
		// Each order as often, since what grows, such as the tables, would count against whatever comes second.
		h := &d.calm
		if n%4 == 1 || n%4 == 2 {
			h = &d.attacked
			go d.strange(ctx, n)
		}
		if err := d.visit(ctx, h, d.stretch); err != nil {
			return err
		}
	}
	stop()
	d.left = <-watched
	d.sent.running.Wait()
	r.Say("%d strange requests: %s", d.sent.total(), d.sent.String())
	return context.Cause(ctx)
}

// watch notes who is out of service, until the context ends.
func (d *drill) watch(ctx context.Context, r *scenario.Run) map[string]bool {
	left := map[string]bool{}
	for clock.Sleep(ctx, 250*time.Millisecond) == nil { // an ejection lasts for seconds
		out, err := d.standing(ctx, r)
		if err != nil && ctx.Err() == nil {
			out = append(out, err.Error())
		}
		for _, who := range out {
			if !left[who] {
				r.Say("out of service: %s", who)
			}
			left[who] = true
		}
	}
	return left
}

// floodIt sends garbage from many connections while the shoppers shop.
func (d *drill) floodIt(ctx context.Context, r *scenario.Run) error {
	flooding, over := context.WithTimeout(ctx, d.flood)
	defer over()
	for n := range d.connections {
		d.garbage.running.Go(func() { d.pour(flooding, n) })
	}
	err := d.visit(ctx, &d.flooded, d.flood)
	d.garbage.running.Wait()
	r.Say("%.0f garbage orders/s: %s", float64(d.garbage.total())/d.flood.Seconds(), d.garbage.String())
	return err
}
