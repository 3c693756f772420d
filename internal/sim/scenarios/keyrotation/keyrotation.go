// Package keyrotation replaces the key that signs access tokens while shoppers shop in every region, by the command that
// operators use, which is killed twice on the way and begun again. It proves that no caller is refused for a token, however
// fresh or old that is, wherever it was signed and wherever it is shown.
package keyrotation

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/regions"
)

//go:embed page.tmpl
var page string

// The plants: mistakes of whoever rotates by hand.
const (
	SignFirst   = "sign-before-publish" // the new key signs in one region before the others know it
	RetireEarly = "retire-early"        // the former key is retired while its tokens live
)

// follows is how long processes take to take a file up, at most: until they look, and a little.
const follows = filewatch.Every + 5*time.Second

// drill is the scenario under way.
type drill struct {
	life time.Duration // of access tokens
	calm time.Duration

	witnesses []*witness
	watching  sync.WaitGroup
	stop      func()    // ends it
	began     time.Time // of the rotation
	took      time.Duration
	killed    int // times that the command was
	before    token.KeySet
	after     token.KeySet

	keyOf func(accessToken string) string // which key signed it
}

// Scenario rotates the signing key under load.
func Scenario() scenario.Scenario { return (&drill{keyOf: keyOf}).scenario() }

func (d *drill) scenario() scenario.Scenario {
	return scenario.Scenario{
		Name: "key-rotation", Page: page, Takes: 3 * time.Minute,
		Proves: "Rotate the key that signs access tokens under load in every region, without a caller refused",
		Details: "Starts a simulation whose tokens live for a minute, puts open-loop load on it, and has `meridian keys rotate` replace the\n" +
			"key that signs them. The command is killed when it has published the key, and when the key signs, and begun again. Beside\n" +
			"the load, somebody of each region shows fresh and old tokens at every region. Fails if any request is refused for its\n" +
			"token, or if a promise is broken.",
		Load:   scenario.Load{Rate: 10, Shoppers: 40, WarmUp: 5 * time.Second},
		Plants: []string{SignFirst, RetireEarly}, PlantHelp: "a mistake of whoever rotates by hand",
		Flags: func(fs *pflag.FlagSet) {
			fs.DurationVar(&d.life, "token-ttl", time.Minute, "lifetime of an access token")
			fs.DurationVar(&d.calm, "calm", 10*time.Second, "load before and after")
		},
		Prepare: d.prepare, Steps: d.steps, Judge: d.judge,
	}
}

func (d *drill) prepare(_ context.Context, r *scenario.Run) error {
	if d.life < 2*margin || d.calm < time.Second {
		return fmt.Errorf("key-rotation: tokens live for %s at least, and a second of calm is needed", 2*margin)
	}
	r.Options.Env = append(r.Options.Env, "MERIDIAN_AUTH_TOKEN_TTL="+d.life.String())
	return nil
}

func (d *drill) steps(*scenario.Run) []scenario.Step {
	return []scenario.Step{
		{Name: "call witnesses", Do: d.call},
		{Name: "rotate", After: d.calm, Do: d.rotate},
		{Name: "dismiss witnesses", After: d.calm, Do: d.dismiss},
	}
}

// call has somebody of each region show tokens from now on.
func (d *drill) call(ctx context.Context, r *scenario.Run) error {
	var err error
	if d.before, err = r.Cluster.Keys(); err != nil {
		return err
	}
	if d.witnesses, err = callWitnesses(ctx, r, d.keyOf); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	r.Defer(stop)
	d.stop = stop
	for _, w := range d.witnesses {
		d.watching.Go(func() { w.watch(watching) })
	}
	return nil
}

func (d *drill) dismiss(context.Context, *scenario.Run) error {
	d.stop()
	d.watching.Wait()
	return nil
}

func (d *drill) rotate(ctx context.Context, r *scenario.Run) error {
	d.began = time.Now()
	var err error
	switch r.Plant {
	case SignFirst:
		err = d.signFirst(ctx, r)
	case RetireEarly:
		err = d.retireEarly(ctx, r)
	default:
		err = d.byCommand(ctx, r)
	}
	d.took = time.Since(d.began)
	return err
}

// byCommand runs the command, which is killed at each of these lines, and then to its end.
func (d *drill) byCommand(ctx context.Context, r *scenario.Run) error {
	for _, line := range []string{"publish:", "sign:", ""} {
		running, kill := context.WithCancel(ctx)
		out := &watcher{run: r, line: line, seen: kill}
		// Nobody keeps copies of the published keys here, so the command need not wait for any to run out.
		err := r.Cluster.RotateKeys(running, out, "--cached", "2s", "--leaving", "0s", "--timeout", "2m")
		kill()
		switch {
		case line != "" && err == nil:
			return fmt.Errorf("key-rotation: the command ended by itself, and was to be killed when it says %q", line)
		case line != "" && out.found:
			d.killed++
			r.Say("the command is killed, and begun again")
		case err != nil:
			return err
		}
	}
	var err error
	d.after, err = r.Cluster.Keys()
	return err
}

// signFirst is what a rotation was before there was a command: a new key that signs at once, in the region that gets it first.
func (d *drill) signFirst(ctx context.Context, r *scenario.Run) error {
	set, err := d.before.Publish(time.Now)
	if err != nil {
		return err
	}
	if d.after, err = set.SignWith(set.Keys()[0].ID); err != nil {
		return err
	}
	for _, region := range r.Catalog.Names() {
		r.Say("plant: in %s the new key signs", region)
		if err := give(ctx, r, d.after, region); err != nil {
			return err
		}
	}
	return nil
}

// retireEarly does every step, and waits for files alone.
func (d *drill) retireEarly(ctx context.Context, r *scenario.Run) error {
	published, err := d.before.Publish(time.Now)
	if err != nil {
		return err
	}
	signing, err := published.SignWith(published.Keys()[0].ID)
	if err != nil {
		return err
	}
	if d.after, err = signing.Only(); err != nil {
		return err
	}
	for _, step := range []token.KeySet{published, signing, d.after} {
		r.Say("plant: %s everywhere", step)
		if err := give(ctx, r, step, r.Catalog.Names()...); err != nil {
			return err
		}
	}
	return nil
}

// give puts keys into files, and waits until processes have taken them up.
func give(ctx context.Context, r *scenario.Run, set token.KeySet, to ...regions.Name) error {
	if err := r.Cluster.GiveKeys(set, to...); err != nil {
		return err
	}
	return clock.Sleep(ctx, follows)
}

// watcher prints what a command says, and notices when it says a certain line.
type watcher struct {
	run   *scenario.Run
	line  string // "": none
	seen  func()
	found bool
	text  []byte
}

// Write implements io.Writer.
func (w *watcher) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	for {
		line, rest, whole := bytes.Cut(w.text, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.text = rest
		w.run.Say("%s", line)
		if w.line != "" && bytes.Contains(line, []byte(w.line)) {
			w.found = true
			w.seen()
		}
	}
}
