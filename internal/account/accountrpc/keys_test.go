package accountrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/accountrpc"
	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// keySets are those of a rotation, one after the other.
func keySets(t *testing.T) (before, published, signing, retired token.KeySet) {
	t.Helper()
	step := func(set token.KeySet, failed error) token.KeySet {
		t.Helper()
		if failed != nil {
			t.Fatal(failed)
		}
		return set
	}
	before = step(token.Generate(time.Now))
	published = step(before.Publish(time.Now))
	signing = step(published.SignWith(published.Keys()[0].ID))
	retired = step(signing.Only())
	return before, published, signing, retired
}

// watched is a process's keys that follow their file.
type watched struct {
	*accountrpc.Keys
	t      *testing.T
	file   string
	signer account.Issuer
}

// save puts a set into the file, and waits for the keys to be looked at.
func (w *watched) save(set token.KeySet) {
	w.t.Helper()
	if err := set.Save(w.file); err != nil {
		w.t.Fatal(err)
	}
	w.look()
}

func (w *watched) look() {
	time.Sleep(filewatch.Every)
	synctest.Wait()
}

func (w *watched) issue() string {
	w.t.Helper()
	text, _, err := w.signer.Issue("usr_eu1_a", "eu-west-1", "EUR", "")
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// TestKeysFollowTheirFile rotates the keys of a running process, and gives it files between that it must not take.
func TestKeysFollowTheirFile(t *testing.T) {
	t.Parallel()
	before, published, signing, retired := keySets(t)
	other, _, _, _ := keySets(t)
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t, file: filepath.Join(t.TempDir(), "auth.json")}
		if err := before.Save(w.file); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		var err error
		if w.Keys, err = accountrpc.OpenKeys(token.Settings{KeysFile: w.file, TokenTTL: 5 * time.Minute}, time.Now, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if w.signer, err = w.Signer(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { w.Watch(ctx) })
		defer func() { stop(); watching.Wait() }()

		first := w.issue()
		inUse := w.Standing()
		unused := func(name string, give func()) {
			t.Helper()
			give()
			w.look()
			if _, err := w.Verify(first); err != nil || w.Refused() == nil || !cmp.Equal(w.Standing(), inUse) {
				t.Errorf("%s is taken: %+v, refused: %v; the token: %v", name, w.Standing(), w.Refused(), err)
			}
			if _, err := w.Verify(w.issue()); err != nil {
				t.Errorf("%s: what is signed now: %v", name, err)
			}
		}
		write := func(text string) func() {
			return func() {
				if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		unused("half a file", write(`{"active":`))
		unused("an empty file", write(""))
		unused("no file", func() { _ = os.Remove(w.file) })
		unused("another deployment's", func() { w.save(other) })
		public, err := before.JWKS()
		if err != nil {
			t.Fatal(err)
		}
		unused("what verifies alone", write(string(public)))
		if !strings.Contains(log.String(), "new files are not used") {
			t.Errorf("the log says %s", log.String())
		}

		w.save(published)
		if s := w.Standing(); w.Refused() != nil || len(s.Verifies) != 2 || s.Signs != before.Signer() || s.Longest != 5*time.Minute {
			t.Errorf("published: %+v, %v", s, w.Refused())
		}
		w.save(signing)
		second := w.issue()
		for name, text := range map[string]string{"the former key's": first, "the new key's": second} {
			if _, err := w.Verify(text); err != nil || w.Standing().Signs != signing.Signer() {
				t.Errorf("signing: %s token: %v", name, err)
			}
		}
		if got := served(t, w.JWKS()); len(got) != 2 {
			t.Errorf("served: %v", got)
		}
		w.save(retired)
		if _, err := w.Verify(second); err != nil {
			t.Errorf("retired: %v", err)
		}
		if _, err := w.Verify(first); fault.Reason(err) != "TOKEN_INVALID" {
			t.Errorf("a token of a retired key, which was remembered as valid: %v", err)
		}
		if got := served(t, w.JWKS()); len(got) != 1 || got[0] != retired.Signer() {
			t.Errorf("served: %v", got)
		}
	})
}

// served returns the ids of the keys that a handler answers with.
func served(t *testing.T, h http.Handler) []string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/.well-known/jwks.json", http.NoBody))
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, k := range set.Keys {
		out = append(out, k.Kid)
	}
	return out
}

// TestTicketsOutliveShortTokens: what a process says of the longest life covers what it signs beside tokens.
func TestTicketsOutliveShortTokens(t *testing.T) {
	t.Parallel()
	set, _, _, _ := keySets(t)
	file := filepath.Join(t.TempDir(), "auth.json")
	if err := set.Save(file); err != nil {
		t.Fatal(err)
	}
	k, err := accountrpc.OpenKeys(token.Settings{KeysFile: file, TokenTTL: time.Second}, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := k.Standing(); s.Signs != "" || s.Longest != 0 {
		t.Errorf("who signs nothing says %+v", s)
	}
	signer, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	_, expires, err := signer.Issue("usr_eu1_a", "eu-west-1", "EUR", "/v1/orders/x/events")
	if left := time.Until(expires); err != nil || left > k.Standing().Longest || left <= time.Second {
		t.Errorf("a ticket lives for %s, and the longest is said to be %s (%v)", left, k.Standing().Longest, err)
	}
}
