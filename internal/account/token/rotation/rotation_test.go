package rotation_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/account/token/rotation"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// TestNoTokenIsRefused rotates while tokens are in use everywhere, interrupted at any moment and begun again; half of the
// rotations are taken back at some point.
func TestNoTokenIsRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				world, end := context.WithCancel(t.Context())
				defer end()
				w := newWorld(world, t, seed)
				rng := rand.New(rand.NewPCG(seed, 1))
				for range rng.IntN(5) {
					until, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(700))*time.Second)
					_ = w.rotate(t, false).Run(until)
					cancel()
				}
				interrupted := w.file
				if back := seed%2 == 1 && len(interrupted.Keys()) > 1; back {
					for range rng.IntN(5) {
						until, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(300))*time.Second)
						_ = w.rotate(t, true).Run(until)
						cancel()
					}
					if err := w.rotate(t, true).Run(t.Context()); err != nil && fault.Reason(err) != "NO_WAY_BACK" { // it was gone already
						t.Fatal(err)
					}
					w.alone(t, interrupted.Keys()[1].ID)
					return
				}
				if err := w.rotate(t, false).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * cached)
				w.alone(t, w.file.Signer())
				if len(interrupted.Keys()) > 1 && w.file.Signer() != interrupted.Keys()[0].ID {
					t.Errorf("the rotation that was under way did not go on: %s\n%s", w.file, strings.Join(w.said, "\n"))
				}
			})
		})
	}
}

// TestHastyRotationsAreNoticed: the world above notices who signs before everybody knows the key, does not wait for copies
// of the published keys, or retires a key whose tokens live.
func TestHastyRotationsAreNoticed(t *testing.T) {
	t.Parallel()
	for name, hasty := range map[string]func(t *testing.T, w *world, signing token.KeySet){
		"signs at once": func(t *testing.T, w *world, signing token.KeySet) {
			t.Helper()
			_ = w.save(w.file, signing)
		},
		"does not wait for copies": func(t *testing.T, w *world, signing token.KeySet) {
			t.Helper()
			before, err := signing.SignWith(w.file.Signer())
			if err != nil {
				t.Fatal(err)
			}
			_ = w.save(w.file, before)
			_ = w.deliver(t.Context())
			time.Sleep(looks)
			_ = w.save(w.file, signing)
		},
		"retires at once": func(t *testing.T, w *world, signing token.KeySet) {
			t.Helper()
			r, err := rotation.New(rotation.Config{
				Regions: names, Fleet: w, Save: w.save, Deliver: w.deliver, Report: func(string) {}, Clock: time.Now, Cached: cached, Leaving: leaves, Timeout: timeout, Poll: time.Second,
				Load: func() (token.KeySet, error) { return w.file, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			until, cancel := context.WithCancel(t.Context())
			go func() {
				for w.signer() == signing.Keys()[1].ID {
					time.Sleep(time.Second)
				}
				cancel()
			}()
			_ = r.Run(until)
			only, err := w.file.Only()
			if err != nil {
				t.Fatal(err)
			}
			_ = w.deliver(t.Context())
			time.Sleep(looks)
			_ = w.save(w.file, only)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				world, end := context.WithCancel(t.Context())
				defer end()
				w := newWorld(world, t, 7)
				published, err := w.file.Publish(time.Now)
				if err != nil {
					t.Fatal(err)
				}
				signing, err := published.SignWith(published.Keys()[0].ID)
				if err != nil {
					t.Fatal(err)
				}
				hasty(t, w, signing)
				_ = w.deliver(t.Context())
				time.Sleep(time.Minute)
				w.mu.Lock()
				defer w.mu.Unlock()
				if len(w.refused) == 0 {
					t.Error("nobody noticed")
				}
			})
		})
	}
}

// TestRefusals: a rotation that cannot go on says why, names who is missing, and leaves what callers need.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wrong  func(t *testing.T, w *world)
		back   bool
		reason string
		says   string
		keys   int // in the file afterwards
	}{
		"a region is away": {func(_ *testing.T, w *world) { w.away = "eu-west-1" }, false, "REGION_AWAY", "eu-west-1 does not answer", 1},
		"no edge registers": {func(_ *testing.T, w *world) {
			w.processes = slices.DeleteFunc(w.processes, func(p *process) bool { return p.ID == "us-east-1-edge" })
		}, false, "REGION_AWAY", "us-east-1 lists no edge", 1},
		"no stack registers": {func(_ *testing.T, w *world) {
			w.processes = slices.DeleteFunc(w.processes, func(p *process) bool { return p.Region == "us-east-1" && !p.Edge })
		}, false, "REGION_AWAY", "us-east-1 lists no stack", 1},
		"the file is another deployment's": {func(t *testing.T, w *world) {
			t.Helper()
			var err error
			if w.file, err = token.Generate(time.Now); err != nil {
				t.Fatal(err)
			}
		}, false, "KEYS_OTHER", "us-east-1-stack-1 in us-east-1 does not verify with", 1},
		"public keys": {func(_ *testing.T, w *world) { w.file = w.file.Public() }, false, "KEYS_UNUSABLE", "public keys alone", 1},
		"a process does not read its file": {func(_ *testing.T, w *world) {
			w.deaf = "eu-west-1-stack-2"
			w.processes[4].Failing = true
		}, false, "KEY_NOT_EVERYWHERE", "nothing signs with it. Repeat the command to go on, or with --back to go back: eu-west-1-stack-2 in eu-west-1 does not verify with", 2},
		"nothing to go back to": {func(*testing.T, *world) {}, true, "NO_WAY_BACK", "the former key is retired", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				world, end := context.WithCancel(t.Context())
				defer end()
				w := newWorld(world, t, 3)
				old := w.file.Signer()
				w.mu.Lock()
				tc.wrong(t, w)
				w.mu.Unlock()
				err := w.rotate(t, tc.back).Run(t.Context())
				if fault.Reason(err) != tc.reason || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%v; want %s: %s", err, tc.reason, tc.says)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				w.spotless(t)
				if len(w.file.Keys()) != tc.keys || tc.keys == 2 && w.file.Signer() != old {
					t.Errorf("the file holds %s", w.file)
				}
				for id := range w.lives {
					if id != old {
						t.Errorf("somebody signed with %s", rotation.Short(id))
					}
				}
			})
		})
	}
}

// TestARegionThatComesBack: one that is away while a key is published holds the rotation up, and nothing else.
func TestARegionThatComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world, end := context.WithCancel(t.Context())
		defer end()
		w := newWorld(world, t, 5)
		time.AfterFunc(time.Second, func() { w.mu.Lock(); defer w.mu.Unlock(); w.away = "eu-west-1" })
		time.AfterFunc(timeout/2, func() { w.mu.Lock(); defer w.mu.Unlock(); w.away = "" })
		w.lag = func() time.Duration { return 2 * time.Second }
		if err := w.rotate(t, false).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.alone(t, w.file.Signer())
		if !slices.ContainsFunc(w.said, func(s string) bool { return strings.Contains(s, "eu-west-1 does not answer") }) {
			t.Errorf("nobody was told: %s", strings.Join(w.said, "\n"))
		}
	})
}

func TestPrint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world, end := context.WithCancel(t.Context())
		defer end()
		w := newWorld(world, t, 1)
		old := rotation.Short(w.file.Signer())
		show := func(back bool) (string, error) {
			var out bytes.Buffer
			err := w.rotate(t, back).Print(t.Context(), &out)
			return out.String(), err
		}
		text, err := show(false)
		for _, want := range []string{old + "  2000-01-01T00:00:00Z  signs", "eu-west-1       eu-west-1-edge", "next: publish a new key"} {
			if !strings.Contains(text, want) || err != nil {
				t.Errorf("%v: no %q in\n%s", err, want, text)
			}
		}
		if text, err = show(true); fault.Reason(err) != "NO_WAY_BACK" || !strings.Contains(text, old) {
			t.Errorf("%v\n%s", err, text)
		}
		published, signing, _ := steps(t, w.file)
		fresh := published.Keys()[0].ID
		for _, step := range []struct {
			file token.KeySet
			back bool
			want string
		}{
			{published, false, "next: wait until everybody verifies with " + rotation.Short(fresh)},
			{published, true, "next: wait until everybody signs with " + old},
			{signing, false, "next: wait until everybody signs with " + rotation.Short(fresh)},
			{signing, true, "next: wait until everybody verifies with " + old},
		} {
			w.has(published, step.file)
			if text, err := show(step.back); err != nil || !strings.Contains(text, step.want) {
				t.Errorf("%v: no %q in\n%s", err, step.want, text)
			}
		}
		w.away = "us-east-1"
		if text, err = show(false); fault.Reason(err) != "REGION_AWAY" || !strings.Contains(text, "us-east-1 does not answer") {
			t.Errorf("%v\n%s", err, text)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := rotation.New(rotation.Config{}); err == nil {
		t.Error("a rotation of nothing")
	}
}
