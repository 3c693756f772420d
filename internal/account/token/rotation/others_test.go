package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/account/token/rotation"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// steps returns the sets of a rotation of a world's file.
func steps(t *testing.T, before token.KeySet) (published, signing, retired token.KeySet) {
	t.Helper()
	var errs [3]error
	published, errs[0] = before.Publish(time.Now)
	signing, errs[1] = published.SignWith(published.Keys()[0].ID)
	retired, errs[2] = signing.Only()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return published, signing, retired
}

// TestOlderFiles: a file that lacks what processes have is brought nowhere, whichever step it is of.
func TestOlderFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		given func(before, published, signing, retired token.KeySet) (processes, file token.KeySet)
		back  bool
		want  string // a reason; "": it ends well
	}{
		"before a key that signs": {func(before, _, signing, _ token.KeySet) (processes, file token.KeySet) { return signing, before }, false, "KEYS_OTHER"},
		"before a key that signs, on the way back": {func(before, _, signing, _ token.KeySet) (processes, file token.KeySet) {
			return signing, before
		}, true, "KEYS_OTHER"},
		"before a key that is published":      {func(before, published, _, _ token.KeySet) (processes, file token.KeySet) { return published, before }, false, "KEYS_OTHER"},
		"the end of the way back":             {func(before, published, _, _ token.KeySet) (processes, file token.KeySet) { return published, before }, true, ""},
		"the end of a rotation":               {func(_, _, signing, retired token.KeySet) (processes, file token.KeySet) { return signing, retired }, false, ""},
		"the end of one, and on the way back": {func(_, _, signing, retired token.KeySet) (processes, file token.KeySet) { return signing, retired }, true, "KEYS_OTHER"},
		"retired, and the former key signs":   {func(_, published, _, retired token.KeySet) (processes, file token.KeySet) { return published, retired }, false, "KEYS_OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				world, end := context.WithCancel(t.Context())
				defer end()
				w := newWorld(world, t, 11)
				before := w.file
				published, signing, retired := steps(t, before)
				processes, file := tc.given(before, published, signing, retired)
				w.has(processes, file)
				time.Sleep(2 * lives) // until no token is of a key that nobody has
				var out bytes.Buffer
				if err := w.rotate(t, tc.back).Print(t.Context(), &out); fault.Reason(err) != tc.want {
					t.Errorf("the look before: %v, want %q", err, tc.want)
				}
				if err := w.rotate(t, tc.back).Run(t.Context()); fault.Reason(err) != tc.want {
					t.Errorf("%v, want %q", err, tc.want)
				}
				if tc.want == "" {
					w.alone(t, file.Signer())
					return
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, region := range names {
					if w.delivered[region].String() != processes.String() {
						t.Errorf("%s was given %s", region, w.delivered[region])
					}
				}
				w.spotless(t)
			})
		})
	}
}

// TestWhoStartsWithAnOlderFile: a stack that starts in the midst of the last wait, and signs with the former key until it looks
// at its file again, has the wait begin anew.
func TestWhoStartsWithAnOlderFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world, end := context.WithCancel(t.Context())
		defer end()
		w := newWorld(world, t, 13)
		w.lag = func() time.Duration { return 0 }
		before, late := w.file, w.processes[0]
		w.heard = func(text string) {
			if !strings.Contains(text, "until the last token of a former key has expired") {
				return
			}
			w.heard = nil
			older, err := w.file.SignWith(before.Signer())
			if err != nil {
				t.Error(err)
			}
			time.AfterFunc(lives+leaves, func() { w.mu.Lock(); defer w.mu.Unlock(); late.keys, w.deaf = older, late.ID })
			time.AfterFunc(lives+leaves+looks/2, func() { w.mu.Lock(); defer w.mu.Unlock(); w.deaf = "" })
		}
		if err := w.rotate(t, false).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.alone(t, w.file.Signer())
		if !slices.ContainsFunc(w.said, func(s string) bool { return strings.HasPrefix(s, "waits anew") }) {
			t.Errorf("nobody was told: %s", strings.Join(w.said, "\n"))
		}
	})
}

// TestWhoLeavesIsWaitedFor: without copies of the published keys, a process that has left Consul and looks at no file is the
// last to know a key, and to sign with one.
func TestWhoLeavesIsWaitedFor(t *testing.T) {
	t.Parallel()
	for leaving, refuses := range map[time.Duration]bool{leaves: false, 0: true} {
		t.Run(leaving.String(), func(t *testing.T) {
			t.Parallel()
			noticed := 0
			for seed := range uint64(40) {
				synctest.Test(t, func(t *testing.T) {
					world, end := context.WithCancel(t.Context())
					defer end()
					w := newWorld(world, t, seed)
					w.mu.Lock()
					w.copies = nil
					w.mu.Unlock()
					w.lag = func() time.Duration { return 0 }
					c := w.rotate(t, false).Config
					c.Cached, c.Leaving = 0, leaving
					r, err := rotation.New(c)
					if err != nil {
						t.Fatal(err)
					}
					if err := r.Run(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * leaves)
					w.mu.Lock()
					defer w.mu.Unlock()
					noticed += len(w.refused)
				})
			}
			if refuses != (noticed > 0) {
				t.Errorf("%d refusals", noticed)
			}
		})
	}
}

// TestTwoOperators begin at once, each with a copy of the file: one of them at least stops, and nobody is refused.
func TestTwoOperators(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				world, end := context.WithCancel(t.Context())
				defer end()
				w := newWorld(world, t, seed)
				second := (&operator{world: w, file: w.file}).rotate(t)
				ended := make(chan error)
				go func() {
					time.Sleep(time.Duration(seed) * 5 * time.Second)
					ended <- second.Run(t.Context())
				}()
				err := w.rotate(t, false).Run(t.Context())
				other := <-ended
				for _, err := range []error{err, other} {
					if reason := fault.Reason(err); err != nil && reason != "KEYS_CHANGED" && reason != "KEYS_OTHER" {
						t.Error(err)
					}
				}
				if err == nil && other == nil {
					t.Error("both replaced the key")
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				w.spotless(t)
			})
		})
	}
}
