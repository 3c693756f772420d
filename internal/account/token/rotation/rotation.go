// Package rotation replaces the key that signs access tokens, in an order in which no token is refused anywhere:
//
//	publish ─▶ everybody verifies with it ─▶ caches run out ─▶ sign ─▶ everybody signs with it ─▶ longest token ─▶ retire
//	   │                                                         │                                                  │
//	   └──────────────── the file is changed, and delivered to every region ────────────────────────────────────────┘
//
// The file of the keys says how far a rotation is: a first key that does not sign is published, one that signs beside
// others has not replaced them yet. So one that was interrupted goes on where it was, and waits anew where it waited: no
// clock but that of the wait itself is believed. Going back is the same way, toward the former key.
//
// What it promises: nothing signs with a key before every process of every region has said that it verifies with it, and
// no key is retired before the last token of it has expired. A file that is older than what processes have is brought nowhere.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Process is a stack or an edge.
type Process struct {
	Region  regions.Name
	ID      string
	Edge    bool
	Failing bool            // its check
	Keys    *token.Standing // nil: it says nothing of its keys
}

// Fleet knows the processes. It is used by one goroutine; calls end soon after their context.
type Fleet interface {
	// Processes lists those of a region, the failing ones too. An error means that nobody knows them.
	Processes(ctx context.Context, region regions.Name) ([]Process, error)
}

// Config says how to rotate. Everything but Back is needed.
type Config struct {
	Regions []regions.Name
	Fleet   Fleet
	Load    func() (token.KeySet, error)          // reads the file
	Save    func(former, next token.KeySet) error // changes it, if it is still the former one
	Deliver func(context.Context) error           // brings what the file holds to every region; it may be repeated
	Report  func(text string)                     // says what happens
	Clock   clock.Clock

	Back    bool          // to the former key
	Cached  time.Duration // how long those who verify tokens by our published keys may keep them
	Leaving time.Duration // how long a process that is no more listed goes on serving, maybe without looking at its file
	Timeout time.Duration // longest wait for processes to follow
	Poll    time.Duration // between two looks
}

// Rotation is one rotation, or the rest of one. Make it with New.
type Rotation struct {
	Config
	ours    map[string]bool // keys that the file has had, and those that processes had at the beginning
	longest time.Duration   // that anything lives which a process signs that was seen
}

// New returns a rotation.
func New(c Config) (*Rotation, error) {
	switch {
	case len(c.Regions) == 0 || c.Fleet == nil || c.Load == nil || c.Save == nil || c.Deliver == nil || c.Report == nil || c.Clock == nil:
		return nil, errors.New("rotation: the configuration lacks a part")
	case c.Cached < 0 || c.Leaving < 0 || c.Timeout <= 0 || c.Poll <= 0:
		return nil, errors.New("rotation: times are positive")
	}
	return &Rotation{Config: c, ours: map[string]bool{}}, nil
}

// spread is by how much clocks may make a token live longer than it should: that of whoever signs is fast, that of whoever
// verifies is slow, and that allows for some.
const spread = 3 * token.Leeway

// Run rotates, or goes on with what was interrupted, until one key is left. Errors are fault.Error; none leaves callers
// refused, and the command may be repeated after each. It is called once.
func (r *Rotation) Run(ctx context.Context) error {
	set, err := r.Load()
	if err != nil {
		return err
	}
	processes, away := r.look(ctx)
	target, err := r.begin(set, processes, away)
	if err != nil {
		return err
	}
	r.remember(set, processes)
	if target == "" {
		if r.retires(set, processes) {
			return r.retired(ctx, set)
		}
		if set, err = r.publish(set); err != nil {
			return err
		}
		target = set.Keys()[0].ID
	}
	if set, err = r.sign(ctx, set, target); err != nil {
		return err
	}
	return r.retire(ctx, set)
}

// begin returns the key that is to sign alone in the end, "" for one that there is not yet, or why nothing may begin.
func (r *Rotation) begin(set token.KeySet, processes []Process, away []string) (target string, err error) {
	if target, err = Target(set, r.Back); err != nil {
		return "", err
	}
	if len(away) > 0 {
		return "", fault.New(fault.Unavailable, "REGION_AWAY", "nothing is changed, because what a region knows is not known: %s", strings.Join(away, "; "))
	}
	if strange := lacking(processes, verifies(set.Signer())); len(strange) > 0 {
		return "", fault.New(fault.Invalid, "KEYS_OTHER", "nothing is changed, because not all processes have the key that signs by this file; is it that of this deployment? %s", some(strange))
	}
	if newer := lacking(processes, latest(set, r.Back)); len(newer) > 0 {
		return "", fault.New(fault.Invalid, "KEYS_OTHER", "nothing is changed, because processes have keys that this file lacks: take the one that was brought to them last, "+
			"or repeat the command with --back if it was going back. %s", some(newer))
	}
	if target == "" && r.Back && !r.retires(set, processes) {
		return "", fault.New(fault.Invalid, "NO_WAY_BACK", "the former key is retired: nothing verifies with it any more; rotate once more, without --back, if this key is not to sign")
	}
	return target, nil
}

// retires tells that a set of one key has not reached everybody: all that is left to do is to bring it there.
func (r *Rotation) retires(set token.KeySet, processes []Process) bool {
	return len(set.Keys()) == 1 && len(lacking(processes, only(set))) > 0
}

// remember takes keys for those of this rotation: any other that turns up is of another one.
func (r *Rotation) remember(set token.KeySet, processes []Process) {
	for _, k := range set.Keys() {
		r.ours[k.ID] = true
	}
	for _, p := range processes {
		for _, id := range p.Keys.Verifies {
			r.ours[id] = true
		}
	}
}

// Target returns the key that is to sign alone in the end: "" where the set has one key alone.
func Target(set token.KeySet, back bool) (string, error) {
	keys := set.Keys()
	signs := slices.IndexFunc(keys, func(k token.Key) bool { return k.Signs })
	switch {
	case signs < 0:
		return "", fault.New(fault.Invalid, "KEYS_UNUSABLE", "the key set holds public keys alone; it takes the one that signs")
	case len(keys) == 1:
		return "", nil
	case back && signs > 0: // those before it are published, or were taken back to
		return keys[signs].ID, nil
	case back:
		return keys[1].ID, nil
	}
	return keys[0].ID, nil
}

func (r *Rotation) publish(set token.KeySet) (token.KeySet, error) {
	next, err := set.Publish(r.Clock)
	if err != nil {
		return set, err
	}
	if err := r.Save(set, next); err != nil {
		return set, err
	}
	r.remember(next, nil)
	r.Report("publish: key " + Short(next.Keys()[0].ID) + " verifies, and does not sign yet")
	return next, nil
}

// sign has the target sign everywhere, once it is known everywhere.
func (r *Rotation) sign(ctx context.Context, set token.KeySet, target string) (token.KeySet, error) {
	known := "verify with " + Short(target)
	if set.Signer() != target {
		if err := r.Deliver(ctx); err != nil {
			return set, err
		}
		if _, err := r.await(ctx, known, verifies(target), "nothing signs with it"); err != nil {
			return set, err
		}
		if set.Keys()[0].ID == target { // a former one is in all copies
			if err := r.pause(ctx, max(r.Cached, r.Leaving), "until nobody verifies by an older copy of the published keys"); err != nil {
				return set, err
			}
		}
	}
	// Again, since it was a while, and who was interrupted is here for the first time.
	if _, err := r.await(ctx, known, verifies(target), "the file that has it sign is brought nowhere"); err != nil {
		return set, err
	}
	if set.Signer() != target {
		next, err := set.SignWith(target)
		if err != nil {
			return set, fault.Wrap(err, fault.Invalid, "KEYS_UNUSABLE", "the key set cannot sign with %s", Short(target))
		}
		if err := r.Save(set, next); err != nil {
			return set, err
		}
		set = next
		r.Report("sign: key " + Short(target) + " signs, and the former one verifies still")
	}
	return set, r.Deliver(ctx)
}

// retire leaves the key that signs alone, once the last token of the others has expired.
func (r *Rotation) retire(ctx context.Context, set token.KeySet) error {
	target := set.Signer()
	if err := r.expire(ctx, target); err != nil {
		return err
	}
	next, err := set.Only()
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "KEYS_UNUSABLE", "the key set cannot sign")
	}
	if err := r.Save(set, next); err != nil {
		return err
	}
	r.Report("retire: key " + Short(target) + " is the only one")
	return r.retired(ctx, next)
}

// expire waits until everybody has signed with the target for as long as a token lives. Whoever signs with another key
// meanwhile, as a process does that starts with an older file, has it begin anew.
func (r *Rotation) expire(ctx context.Context, target string) error {
	for {
		processes, err := r.await(ctx, "sign with "+Short(target), signs(target), "all keys verify still")
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(processes, func(p Process) bool { return p.Keys.Signs != "" }) {
			return fault.New(fault.Unavailable, "SIGNER_MISSING", "no process says that it signs access tokens; the former keys are kept until one does")
		}
		d := r.longest + spread + r.Leaving
		r.Report(fmt.Sprintf("waits for %s, until the last token of a former key has expired", d))
		held, err := r.hold(ctx, signs(target), d)
		if held || err != nil {
			return err
		}
	}
}

// hold waits for a while, and tells whether a rule held for everybody throughout. A region that is away says nothing; at the
// end all must be there.
func (r *Rotation) hold(ctx context.Context, of rule, d time.Duration) (held bool, err error) {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if err := clock.Sleep(ctx, min(max(left, 0), r.Poll)); err != nil {
			return false, interrupted(err)
		}
		processes, away := r.look(ctx)
		missing := lacking(processes, of)
		if left <= 0 {
			missing = append(missing, away...)
		}
		switch {
		case len(missing) > 0:
			r.Report("waits anew: " + some(missing))
			return false, nil
		case left <= 0:
			return true, nil
		}
	}
}

// retired brings a set of one key to everybody.
func (r *Rotation) retired(ctx context.Context, set token.KeySet) error {
	if err := r.Deliver(ctx); err != nil {
		return err
	}
	if _, err := r.await(ctx, "have forgotten the former keys", only(set), "tokens of former keys are taken there still"); err != nil {
		return err
	}
	r.Report("done: every process of every region signs and verifies with " + Short(set.Signer()) + " alone")
	return nil
}

func (r *Rotation) pause(ctx context.Context, d time.Duration, why string) error {
	if d == 0 {
		return nil
	}
	r.Report(fmt.Sprintf("waits for %s, %s", d, why))
	if err := clock.Sleep(ctx, d); err != nil {
		return interrupted(err)
	}
	return nil
}

func interrupted(err error) error {
	return fmt.Errorf("rotation: interrupted; repeat the command to go on: %w", err)
}

// Short is how a key is called in words.
func Short(id string) string { return id[:min(len(id), 8)] }
