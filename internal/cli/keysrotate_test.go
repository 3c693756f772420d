package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/clock"
)

// fleet is a Consul of every region, which lists a stack and an edge in each that have read their region's files.
type fleet struct {
	dir     string
	away    string                     // a region whose Consul does not answer
	changed func(region, signs string) // is told what it says
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	region := r.URL.Query().Get("dc")
	if region == f.away {
		http.Error(w, "No path to datacenter", http.StatusInternalServerError)
		return
	}
	service := strings.TrimPrefix(r.URL.Path, "/v1/health/service/")
	set, err := token.Load(filepath.Join(f.dir, region, "auth.json"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s := token.Standing{Signs: set.Signer(), Longest: time.Second}
	if service == "meridian-edge" {
		s.Signs = ""
	}
	for _, k := range set.Keys() {
		s.Verifies = append(s.Verifies, k.ID)
	}
	_ = json.NewEncoder(w).Encode([]map[string]any{{
		"Node": map[string]any{}, "Checks": []map[string]any{{"Status": "passing"}},
		"Service": map[string]any{"ID": region + "-" + service, "Service": service, "Meta": s.Metadata()},
	}})
	if f.changed != nil {
		f.changed(region, s.Signs)
	}
}

// newFleet makes keys, and brings them to every region.
func newFleet(t *testing.T) (f *fleet, flags []string) {
	t.Helper()
	f = &fleet{dir: t.TempDir()}
	set, err := token.Generate(clock.System())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range append([]string{""}, everywhere...) {
		if err := os.MkdirAll(filepath.Join(f.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := set.Save(filepath.Join(f.dir, folder, "auth.json")); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, []string{
		"keys", "rotate", "--consul.address", strings.TrimPrefix(server.URL, "http://"), "--in", f.file(""), "--public", filepath.Join(f.dir, "jwks.json"),
		"--exec", "cp " + f.file("") + " " + filepath.Join(f.dir, "{region}"), "--cached=0s", "--leaving=0s", "--poll=1ms", "--timeout=5m",
	}
}

var everywhere = []string{"us-east-1", "eu-west-1", "ap-southeast-1"}

func (f *fleet) file(region string) string { return filepath.Join(f.dir, region, "auth.json") }

func (f *fleet) keys(t *testing.T, file string) token.KeySet {
	t.Helper()
	set, err := token.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestKeysRotate is interrupted where it waits for the last token of the former key, and goes on where another run retired it.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	f, flags := newFleet(t)
	old := f.keys(t, f.file("")).Signer()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	f.changed = func(region, signs string) {
		if region == everywhere[2] && signs != "" && signs != old {
			time.AfterFunc(0, interrupt)
		}
	}
	var out, errOut bytes.Buffer
	if code := cli.Run(ctx, flags, &out, &errOut); code != 1 || !strings.Contains(errOut.String(), "repeat the command to go on") {
		t.Fatalf("exit %d: %s%s", code, &out, &errOut)
	}
	for _, file := range append([]string{f.file(""), filepath.Join(f.dir, "jwks.json")}, f.file(everywhere[0]), f.file(everywhere[2])) {
		set := f.keys(t, file)
		public := filepath.Base(file) == "jwks.json"
		if len(set.Keys()) != 2 || set.Signs() == public || !public && (set.Signer() == old || set.Keys()[1].ID != old) {
			t.Errorf("%s holds %s", file, set)
		}
	}
	if info, err := os.Stat(filepath.Join(f.dir, "jwks.json")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}

	f.changed = nil
	if code, said, errOut := run(t, append(flags, "--dry-run")...); code != 0 || !strings.Contains(said, "eu-west-1-meridian-edge") || !strings.Contains(said, "next: wait until everybody signs with") {
		t.Errorf("exit %d: %s%s", code, said, errOut)
	}
	retired, err := f.keys(t, f.file("")).Only()
	if err != nil {
		t.Fatal(err)
	}
	if err := retired.Save(f.file("")); err != nil {
		t.Fatal(err)
	}
	if code, said, errOut := run(t, flags...); code != 0 || !strings.Contains(said, "done: every process") {
		t.Fatalf("exit %d: %s%s", code, said, errOut)
	}
	for _, region := range everywhere {
		if set := f.keys(t, f.file(region)); len(set.Keys()) != 1 || set.Signer() != retired.Signer() {
			t.Errorf("%s has %s", region, set)
		}
	}
}

func TestKeysRotateRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(f *fleet)
		flags  []string
		code   int
		says   string
	}{
		"a region is away":       {func(f *fleet) { f.away = "eu-west-1" }, nil, 1, "the Consul of eu-west-1 does not answer"},
		"no Consul":              {nil, []string{"--consul.address="}, 2, "no Consul is known"},
		"no keys":                {func(f *fleet) { _ = os.Remove(f.file("")) }, nil, 2, "KEYS_UNUSABLE"},
		"nothing to go back to":  {nil, []string{"--back"}, 2, "NO_WAY_BACK"},
		"no delivery":            {nil, []string{"--exec=exit 7"}, 1, "KEYS_NOT_DELIVERED"},
		"nobody follows":         {nil, []string{"--exec=", "--timeout=1ms"}, 1, "KEY_NOT_EVERYWHERE"},
		"no time":                {nil, []string{"--timeout=0s"}, 2, "times are positive"},
		"somebody else rotates":  {nil, []string{"--exec=touch {region}"}, 1, "KEYS_CHANGED"},
		"public keys, read-only": {nil, []string{"--public=/nowhere/jwks.json"}, 1, "FILE_UNWRITABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, flags := newFleet(t)
			if tc.change != nil {
				tc.change(f)
			}
			if name == "somebody else rotates" {
				other := filepath.Join(f.dir, "other.json")
				set, err := f.keys(t, f.file("")).Publish(clock.System())
				if err == nil {
					err = set.Save(other)
				}
				if err != nil {
					t.Fatal(err)
				}
				tc.flags = []string{"--exec=cp " + f.file("") + " " + filepath.Join(f.dir, "{region}") + "; [ {region} != ap-southeast-1 ] || cp " + other + " " + f.file("")}
			}
			code, _, errOut := run(t, append(flags, tc.flags...)...)
			if code != tc.code || !strings.Contains(errOut, tc.says) {
				t.Errorf("exit %d: %s; want %d and %q", code, errOut, tc.code, tc.says)
			}
		})
	}
}
