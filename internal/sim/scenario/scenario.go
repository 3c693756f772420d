// Package scenario is the engine that plays every drill. A Scenario is data: what it is called and proves, the load that
// it wants, the steps that happen meanwhile, and how it judges what was seen. The engine does the rest, the same way for
// all of them:
//
//	flags ─▶ Prepare ─▶ start ─▶ load ──────────────────────────▶ settle ─▶ Judge ─▶ report ─▶ exit code
//	                     │         │  Steps: At 60 s kill             │                 │
//	                     │         │         At 135 s heal            │                 └ JSON, HTML, JUnit, terminal
//	                     │         └ shoppers arrive as the seed      └ orders, payments, events come to an end;
//	                     │           says, and go on arriving           the database is audited
//	                     └ cluster, Internet, provider
//
// A drill is one file: a function that returns a Scenario, with its flags as variables that its functions share. One
// line in package scenarios registers it. What every drill is to go through, such as another profile of the Internet or a
// provider that declines, belongs into Simulate, which surrounds all of them.
package scenario

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/load"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/internal/sim/report"
	"github.com/meridian-commerce/meridian/regions"
)

// Scenario is one drill. Name, Proves, Takes and Judge are required; whatever else is zero is not needed.
type Scenario struct {
	Name    string        // of its command
	Proves  string        // what a run that passes shows, in one line
	Details string        // for its command's help
	Example string        // for its command's help
	Takes   time.Duration // about
	Alone   bool          // a command of its own, not one of drill's
	File    string        // what its report's files are called; "": Name
	Schema  string        // of its report; "": "1"
	Page    string        // what its report says to people: a template for report.NewPage, which gets the Figures

	Regions []byte // the catalog of its simulation, in place of --regions
	Stacks  int    // in each region, in place of --stacks

	Load          Load
	Stalled       time.Duration // after which a system that does not move will not settle any more; 0: 40 s
	Plants        []string      // what can be planted, for it to find
	PlantHelp     string        // what these are
	ProductPlants bool          // these are bugs of the product, which is built with them

	// Flags gives its command more flags. --seed, --out, --strict and those of Load and of Plants are there.
	Flags func(*pflag.FlagSet)
	// Prepare checks the flags and says what is to be started, by changing Run's Options, Internet and Load.
	Prepare func(context.Context, *Run) error
	// Steps are what happens in the world while load is on, one after the other.
	Steps func(*Run) []Step
	// Judge makes a verdict of what was seen. An error means that nothing can be said.
	Judge func(context.Context, *Run, Evidence) (Verdict, error)
	// Publish writes what came of it in place of a report; it has no --out.
	Publish func(*Run, io.Writer, Verdict) error
}

//go:embed region.yaml
var oneRegion []byte

// OneRegion is the catalog of a simulation of one region: what it cannot do is not done elsewhere, and no request costs
// more for its way to another one.
func OneRegion() []byte { return oneRegion }

// Load is what shoppers do while a scenario plays. With a Rate of zero there are none: its steps bring their own.
type Load struct {
	Rate     float64       // arrivals per second
	Shoppers int           // accounts
	WarmUp   time.Duration // load before anything counts
	Duration time.Duration // after that; 0: until the last step has ended
}

// Step is one thing that happens in the world.
type Step struct {
	Name  string
	At    time.Duration // since the load began; a step never comes before the one ahead of it has ended
	After time.Duration // then, before it is done
	Do    func(context.Context, *Run) error
}

// Evidence is what a run has to show.
type Evidence struct {
	Ops     []history.Op // what callers asked for and were told
	Load    load.Config
	Result  load.Result
	Changes []internet.Change
	Findings
}

// Findings is what a settled system keeps, and what the audit of its database says of that.
type Findings struct {
	Facts   check.Facts
	Audited []check.Violation // by the database alone, and what did not settle
}

// fewDiverted is that arrivals do what the schedule says.
const (
	fewDiverted = "few-arrivals-diverted"
	mostOneIn   = 20 // arrivals, that may browse in place of what they wanted
)

// Violations are all that the evidence shows, of every invariant that does not depend on the scenario.
func (e Evidence) Violations() []check.Violation {
	found := append(check.Run(e.Ops, e.Facts), e.Audited...)
	if e.Result.Diverted*mostOneIn > e.Result.Arrivals {
		found = append(found, check.Violation{Invariant: fewDiverted, IDs: []string{}, Detail: fmt.Sprintf(
			"%d of %d arrivals browsed, because every shopper of their city was checking out: it is not the load that was asked for", e.Result.Diverted, e.Result.Arrivals)})
	}
	return found
}

// Verdict is what a scenario makes of a run.
type Verdict struct {
	Violations []check.Violation
	Objectives []report.Objective
	Figures    any           // a struct, for the report's JSON
	Invariants []string      // of the scenario's own that were judged, broken or not
	Charts     template.HTML // drawings for the page; "": none
}

// Fail adds a violation that no id belongs to.
func (v *Verdict) Fail(invariant, format string, args ...any) {
	v.Violations = append(v.Violations, check.Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...), IDs: []string{}})
}

// World is what a scenario works on. Tests make one without a single process.
type World struct {
	Catalog *regions.Set
	Cluster Cluster
	Server  Database
	Net     Network
	Records Records
	DB      *pgxpool.Pool // the database's superuser, past every gateway and the locality model; nil in a fake
}

// Cluster is a running simulation; *cluster.Cluster is one. Its methods say what they do there.
type Cluster interface {
	Kill(ctx context.Context, target string) (cluster.FaultReport, error)
	Break(ctx context.Context, f cluster.Fault) (cluster.FaultReport, error)
	Heal(ctx context.Context, target string) error
	Status(ctx context.Context) cluster.Status

	Replaceable() []string
	Admin(name string) string
	Replace(ctx context.Context, name, program string, abruptly bool) error
	Migrate(ctx context.Context, program string) error

	Keys() (token.KeySet, error)
	GiveKeys(set token.KeySet, to ...regions.Name) error
	RotateKeys(ctx context.Context, out io.Writer, args ...string) error

	LoseDatabase(ctx context.Context, how cluster.DatabaseLoss) (postgres.LSN, error)
	RestoreDatabase(ctx context.Context, b postgres.Backup, lost cluster.DatabaseLoss) error
}

// Database is the server that a simulation's rows are on; *postgres.Server is one. Its methods say what they do there.
type Database interface {
	BackUp(ctx context.Context, name string) (postgres.Backup, error)
	Follow(ctx context.Context, every time.Duration) []postgres.Sample
	Position(ctx context.Context) (timeline int64, at postgres.LSN, err error)
	Archived() (postgres.LSN, error)
	Forget(from postgres.LSN) (int, error)
}

// Network is what lies between callers and edges; *internet.Internet is one.
type Network interface {
	Caller(city string, address netip.Addr) (http.RoundTripper, error)
	Nearest(city string) regions.Name
	RTT(city string, r regions.Name) time.Duration
	Announced(r regions.Name) bool
	Changes() []internet.Change
}

// Records reads what the system and the payment provider keep.
type Records struct {
	Pending func(context.Context) (check.Unfinished, error)  // what the system still has to do by itself
	Facts   func(context.Context) (check.Facts, error)       // the orders and the payments
	Audit   func(context.Context) ([]check.Violation, error) // checks the invariants of the database alone
}
