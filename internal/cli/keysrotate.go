package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/account/token/rotation"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rollout"
	"github.com/meridian-commerce/meridian/regions"
)

// rotateFlags are the flags of `meridian keys rotate`.
type rotateFlags struct {
	in, public, deliver string
	back, dryRun        bool

	cached, leaving, timeout, poll time.Duration
}

func rotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := configured(&cobra.Command{
		Use: "rotate", Short: "Replace the key that signs access tokens, without a token refused anywhere", Args: cobra.NoArgs,
		Long: "Replace the key that signs access tokens, without a token refused anywhere. A new key is published and brought to every\n" +
			"region by --exec; once each stack and edge says in Consul that it verifies with it, it signs; once all sign with it and\n" +
			"the last token of the former key has expired, that is retired. A region that is away, or a process that does not follow,\n" +
			"stops it with nothing refused. One that was interrupted goes on when the command is repeated, and goes back with --back.",
		Example: "  meridian keys rotate --config edge.yaml --in auth.json \\\n" +
			"    --exec 'aws secretsmanager put-secret-value --secret-id meridian/keys/auth --secret-string file://auth.json'",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error { return f.run(cmd, c) })
	flags := cmd.Flags()
	flags.StringVar(&f.in, "in", "auth.json", "key set that meridian keys generate made; it says how far a rotation is")
	flags.StringVar(&f.public, "public", "", "file to write the public keys to, each time, as meridian keys public does; default: none")
	flags.StringVar(&f.deliver, "exec", "", "shell command that brings the file to every region; with {region}, once for each, with its name; default: processes read it where it is")
	flags.DurationVar(&f.cached, "cached", token.Cached, "how long others may keep a copy of the published keys; a new key does not sign before")
	flags.DurationVar(&f.leaving, "leaving", 90*time.Second, "longest time for which a process goes on serving once it has left Consul: shutdown.delay and shutdown.timeout together")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Minute, "longest wait for processes to follow a change, and longest run of --exec")
	flags.DurationVar(&f.poll, "poll", 2*time.Second, "between two looks at the processes")
	flags.BoolVar(&f.back, "back", false, "go back to the former key, as long as it is not retired")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what the file and each process have, and what would be done")
	return cmd
}

func (f *rotateFlags) run(cmd *cobra.Command, c config.Config) error {
	set, err := c.RegionSet()
	if err != nil {
		return err
	}
	fleet, err := processesOf(c, set)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	r, err := rotation.New(rotation.Config{
		Regions: set.Names(), Fleet: fleet, Load: f.load, Save: f.save, Clock: clock.System(),
		Deliver: func(ctx context.Context) error { return f.bring(ctx, set.Names(), out) },
		Report:  func(text string) { fmt.Fprintf(out, "%s %s\n", time.Now().UTC().Format(time.TimeOnly), text) },
		Back:    f.back, Cached: f.cached, Leaving: f.leaving, Timeout: f.timeout, Poll: f.poll,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.dryRun {
		return r.Print(cmd.Context(), out)
	}
	return r.Run(cmd.Context())
}

func (f *rotateFlags) load() (token.KeySet, error) {
	set, err := token.Load(f.in)
	if err != nil {
		return set, fault.Wrap(err, fault.Invalid, "KEYS_UNUSABLE", "the key set --in cannot be used")
	}
	return set, nil
}

// save changes the file, unless somebody else did.
func (f *rotateFlags) save(former, next token.KeySet) error {
	now, err := f.load()
	if err != nil {
		return err
	}
	if !slices.EqualFunc(former.Keys(), now.Keys(), func(a, b token.Key) bool { return a.ID == b.ID && a.Signs == b.Signs }) {
		return fault.New(fault.Aborted, "KEYS_CHANGED", "%s was changed by somebody else meanwhile; let that end, then repeat the command", f.in)
	}
	if err := next.Save(f.in); err != nil {
		return fault.Wrap(err, fault.Internal, "FILE_UNWRITABLE", "%s cannot be written", f.in)
	}
	return nil
}

// bring takes what the file holds to every region.
func (f *rotateFlags) bring(ctx context.Context, to []regions.Name, out io.Writer) error {
	if f.public != "" {
		set, err := f.load()
		if err != nil {
			return err
		}
		if err := set.SavePublic(f.public); err != nil {
			return fault.Wrap(err, fault.Internal, "FILE_UNWRITABLE", "%s cannot be written", f.public)
		}
	}
	if f.deliver == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if !strings.Contains(f.deliver, rollout.Placeholder) {
		to = to[:1]
	}
	for _, n := range to {
		if err := rollout.Shell(f.deliver, out)(ctx, n); err != nil {
			return fault.Wrap(err, fault.Unavailable, "KEYS_NOT_DELIVERED", "--exec did not bring the keys to every region (%s); repeat the command when it can", n)
		}
	}
	return nil
}

// processesOf reaches the Consul of every region, as `meridian region` does.
func processesOf(c config.Config, set *regions.Set) (consulFleet, error) {
	fleet := consulFleet{}
	for _, n := range set.Names() {
		o, datacenter, err := agentOf(c, n)
		if err != nil {
			return nil, err
		}
		fleet[n] = agent{o, datacenter}
	}
	return fleet, nil
}

// consulFleet is the processes that the Consul of each region lists.
type consulFleet map[regions.Name]agent

type agent struct {
	operator   *discovery.Operator
	datacenter regions.Name
}

// Processes implements rotation.Fleet.
func (f consulFleet) Processes(ctx context.Context, region regions.Name) ([]rotation.Process, error) {
	listed, err := f[region].operator.Processes(ctx, f[region].datacenter)
	if err != nil {
		return nil, err
	}
	out := make([]rotation.Process, len(listed))
	for i, p := range listed {
		out[i] = rotation.Process{Region: region, ID: p.ID, Edge: p.Service == discovery.EdgeServiceName, Failing: !p.Passing}
		if s, ok := token.ParseStanding(p.Metadata); ok {
			out[i].Keys = &s
		}
	}
	return out, nil
}
