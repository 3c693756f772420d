package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func generate(t testing.TB) KeySet {
	t.Helper()
	s, err := Generate(at(epoch))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func secretOf(s KeySet) string {
	return base64.RawURLEncoding.EncodeToString(s.keys[0].private.Seed())
}

// TestThumbprint uses the example of RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	public, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := thumbprint(public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("thumbprint = %s, want %s", got, want)
	}
}

func TestSaveLoad(t *testing.T) {
	t.Parallel()
	s, err := generate(t).Publish(at(epoch.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	for range 2 { // the second replaces the first
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, want 1 (%v)", len(entries), err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got, cmp.AllowUnexported(KeySet{}, key{})); diff != "" {
		t.Errorf("loaded (-want +got)\n%s", diff)
	}
	if err := s.Save(filepath.Join(t.TempDir(), "absent", "keys.json")); err == nil {
		t.Error("Save into a folder that is not there succeeded")
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of no file = %v", err)
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	s, other := generate(t), generate(t)
	j := s.keys[0].jwk()
	j.D = secretOf(s)
	with := func(change func(*jwk)) file {
		k := j
		change(&k)
		return file{Active: k.KeyID, Keys: []jwk{k}}
	}
	if text, _ := json.Marshal(with(func(*jwk) {})); true {
		if _, err := Parse(text); err != nil {
			t.Fatalf("the unchanged set is rejected: %v", err)
		}
	}
	for name, f := range map[string]file{
		"no keys":           {},
		"twice":             {Keys: []jwk{j, j}},
		"active unknown":    {Active: "nobody", Keys: []jwk{j}},
		"active public":     with(func(k *jwk) { k.D = "" }),
		"RSA":               with(func(k *jwk) { k.KeyType = "RSA" }),
		"another curve":     with(func(k *jwk) { k.Curve = "X25519" }),
		"another algorithm": with(func(k *jwk) { k.Algorithm = "HS256" }),
		"no kid":            with(func(k *jwk) { k.KeyID = "" }),
		"short x":           with(func(k *jwk) { k.X = k.X[:20] }),
		"short d":           with(func(k *jwk) { k.D = k.D[:20] }),
		"another's d":       with(func(k *jwk) { k.D = secretOf(other) }),
	} {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(text); !errors.Is(err, ErrKeySet) {
			t.Errorf("%s: err = %v, want ErrKeySet", name, err)
		} else if strings.Contains(err.Error(), j.D) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
	if _, err := Parse([]byte("{")); !errors.Is(err, ErrKeySet) {
		t.Errorf("not JSON: %v", err)
	}
}

func TestKeySetPrintsNoSecret(t *testing.T) {
	t.Parallel()
	s := generate(t)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "loaded", "keys", s)
	secret := []byte(s.keys[0].private)
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", s, s, s, s), log.String()} {
		if strings.Contains(printed, secretOf(s)) || strings.Contains(printed, fmt.Sprintf("%v", secret)) {
			t.Errorf("printed: %s", printed)
		}
	}
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	s, err := generate(t).Publish(at(epoch))
	if err != nil {
		t.Fatal(err)
	}
	h, err := JWKSHandler(s)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/.well-known/jwks.json", http.NoBody))
	if got := w.Header().Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("Content-Type = %q", got)
	}
	if strings.Contains(w.Body.String(), `"d"`) || strings.Contains(w.Body.String(), secretOf(s)) {
		t.Errorf("the answer shows a secret: %s", w.Body)
	}
	got, err := Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.Signs() || !s.Signs() {
		t.Errorf("the served set signs: %t, the other: %t", got.Signs(), s.Signs())
	}
	want := s.Public()
	for i := range want.keys {
		want.keys[i].created = time.Time{}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(KeySet{}, key{})); diff != "" {
		t.Errorf("served (-want +got)\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"active":"a","keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if _, err := NewVerifier(s, at(epoch)); err != nil {
			t.Errorf("parsed, but cannot verify: %v", err)
		}
		if _, err := NewIssuer(s, at(epoch)); s.active != "" && err != nil {
			t.Errorf("parsed, but cannot sign: %v", err)
		}
	})
}
