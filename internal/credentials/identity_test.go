package credentials_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
)

func write(t testing.TB, path string, parts ...[]byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", bytes.Join(parts, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func authority(t testing.TB, valid time.Duration) *credentials.Authority {
	t.Helper()
	a, err := credentials.NewAuthority(time.Now(), valid)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue writes a certificate and key into a folder.
func issue(t testing.TB, a *credentials.Authority, name string, to credentials.Files) {
	t.Helper()
	cert, key, err := a.Issue(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	write(t, to.Cert, cert)
	write(t, to.Key, key)
}

// identity opens one of a name that an authority issued, and that takes others of an authority.
func identity(t testing.TB, of *credentials.Authority, name string, takes ...*credentials.Authority) (*credentials.Identity, credentials.Files) {
	t.Helper()
	files := credentialstest.InFolder(t.TempDir(), "peer")
	issue(t, of, name, files)
	trust(t, files, takes...)
	i, err := credentials.Open(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return i, files
}

func trust(t testing.TB, files credentials.Files, takes ...*credentials.Authority) {
	t.Helper()
	var bundle [][]byte
	for _, a := range takes {
		bundle = append(bundle, a.PEM)
	}
	write(t, files.Authority, bundle...)
}

// said collects a server's log.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// serve answers with the protocol that was spoken, by those settings, and returns where.
func serve(t testing.TB, secure *tls.Config) (addr string, text *said) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	text = &said{}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	s := &http.Server{
		TLSConfig: secure, Protocols: protocols, ReadHeaderTimeout: time.Hour, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(text, nil), slog.LevelWarn),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
	}
	go func() { _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), text
}

// get asks once over a new connection.
func get(ctx context.Context, secure *tls.Config, addr string, http2 bool) (string, error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: secure, Protocols: protocols, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

func TestWhoIsTaken(t *testing.T) {
	t.Parallel()
	ours, theirs, over := authority(t, time.Hour), authority(t, time.Hour), authority(t, -time.Minute)
	client := func(of *credentials.Authority, name string, takes *credentials.Authority) *tls.Config {
		files := credentialstest.InFolder(t.TempDir(), "peer")
		issue(t, of, name, files)
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key) // whatever it is
		if err != nil {
			t.Fatal(err)
		}
		i, _ := identity(t, ours, name, takes)
		c := i.Edge()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		return c
	}
	none := client(ours, credentials.EdgeName, ours)
	none.GetClientCertificate = nil
	older := client(ours, credentials.EdgeName, ours)
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	const refused = "refused" // the alert may come too late to be read
	for _, tt := range []struct {
		name       string
		stack      string // the server's name
		stackOf    *credentials.Authority
		edge       *tls.Config
		edgeSays   string // "": it is answered
		serverSays string
	}{
		{"an edge", credentials.StackName, ours, client(ours, credentials.EdgeName, ours), "", ""},
		{"nobody in particular", credentials.StackName, ours, none, refused, "client didn't provide a certificate"},
		{"an edge of another authority", credentials.StackName, ours, client(theirs, credentials.EdgeName, ours), refused, "signed by unknown authority"},
		{"an edge whose certificate is over", credentials.StackName, ours, client(over, credentials.EdgeName, ours), refused, "not taken"},
		{"a stack that poses as an edge", credentials.StackName, ours, client(ours, credentials.StackName, ours), refused, "and not edge.meridian.internal"},
		{"an edge of an older protocol", credentials.StackName, ours, older, refused, "unsupported versions"},
		{"an edge before a stack of another authority", credentials.StackName, theirs, client(ours, credentials.EdgeName, ours), "signed by unknown authority", "bad certificate"},
		{"an edge before an edge", credentials.EdgeName, ours, client(ours, credentials.EdgeName, ours), "and not stack.meridian.internal", "bad certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, _ := identity(t, tt.stackOf, tt.stack, ours)
			addr, said := serve(t, server.Stack())
			for _, http2 := range []bool{false, true} {
				proto, err := get(t.Context(), tt.edge.Clone(), addr, http2)
				if tt.edgeSays == "" {
					if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]; err != nil || proto != want {
						t.Errorf("got %q, %v; want %s", proto, err, want)
					}
					continue
				}
				if err == nil || tt.edgeSays != refused && !strings.Contains(err.Error(), tt.edgeSays) {
					t.Errorf("the edge is told %v; want %q", err, tt.edgeSays)
				}
			}
			for deadline := time.Now().Add(5 * time.Minute); !strings.Contains(said.String(), tt.serverSays); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the stack's log says %q; want %q", said.String(), tt.serverSays)
				}
			}
		})
	}
}

// A new authority takes the place of the old one, on either side in its own time, while requests go on.
func TestRotationLosesNoRequest(t *testing.T) {
	t.Parallel()
	old, next := authority(t, time.Hour), authority(t, time.Hour)
	stack, stackFiles := identity(t, old, credentials.StackName, old)
	edge, edgeFiles := identity(t, old, credentials.EdgeName, old)
	addr, _ := serve(t, stack.Stack())

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var served atomic.Int64
	settings := edge.Edge()
	for i := range 4 {
		running.Go(func() {
			for ctx.Err() == nil {
				if _, err := get(t.Context(), settings.Clone(), addr, i%2 == 0); err != nil {
					t.Errorf("after %d requests: %v", served.Load(), err)
					return
				}
				served.Add(1)
			}
		})
	}
	more := func() {
		t.Helper()
		for until := served.Load() + 20; served.Load() < until && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	more()
	for _, step := range []struct {
		name   string
		change func()
		of     *credentials.Identity
	}{
		{"the stack takes both", func() { trust(t, stackFiles, old, next) }, stack},
		{"the edge takes both", func() { trust(t, edgeFiles, old, next) }, edge},
		{"the stack's certificate", func() { issue(t, next, credentials.StackName, stackFiles) }, stack},
		{"the edge's certificate", func() { issue(t, next, credentials.EdgeName, edgeFiles) }, edge},
		{"the edge takes the new one only", func() { trust(t, edgeFiles, next) }, edge},
		{"the stack takes the new one only", func() { trust(t, stackFiles, next) }, stack},
	} {
		step.change()
		if err := step.of.Reload(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		more()
	}
	stop()
	running.Wait()
	stale, _ := identity(t, old, credentials.EdgeName, next)
	if _, err := get(t.Context(), stale.Edge(), addr, false); err == nil {
		t.Error("a certificate of the old authority is still taken")
	}
}

func TestFilesThatAreNoIdentity(t *testing.T) {
	t.Parallel()
	a := authority(t, time.Hour)
	good, files := identity(t, a, credentials.EdgeName, a)
	for name, change := range map[string]func(*credentials.Files){
		"no certificate": func(f *credentials.Files) { f.Cert = "" },
		"no key":         func(f *credentials.Files) { f.Key = "" },
		"no authority":   func(f *credentials.Files) { f.Authority = "" },
		"an absent file": func(f *credentials.Files) { f.Authority += ".gone" },
		"a key for one":  func(f *credentials.Files) { f.Authority = f.Key },
		"another's key":  func(f *credentials.Files) { _, other := identity(t, a, credentials.EdgeName, a); f.Key = other.Key },
	} {
		bad := files
		change(&bad)
		if _, err := credentials.Open(bad, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	write(t, files.Authority, []byte("torn"))
	if err := good.Refused(); err != nil {
		t.Errorf("refused before anything changed: %v", err)
	}
	if err := good.Reload(); err == nil || good.Refused() == nil {
		t.Error("a torn authority is taken")
	}
	stack, _ := identity(t, a, credentials.StackName, a)
	addr, _ := serve(t, stack.Stack())
	if _, err := get(t.Context(), good.Edge(), addr, false); err != nil {
		t.Errorf("what was in use before is not any more: %v", err)
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	var wrote []string
	generate := func() error {
		return credentials.Generate(dir, time.Now(), time.Hour, func(path string) { wrote = append(wrote, filepath.Base(path)) })
	}
	if err := generate(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(wrote)
	if diff := cmp.Diff([]string{"ca.key", "ca.pem", "edge.key", "edge.pem", "stack.key", "stack.pem"}, wrote); diff != "" {
		t.Error(diff)
	}
	stack, err := credentials.Open(credentialstest.InFolder(dir, "stack"), nil)
	if err != nil {
		t.Fatal(err)
	}
	edge, err := credentials.Open(credentialstest.InFolder(dir, "edge"), nil)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serve(t, stack.Stack())
	if got, err := get(t.Context(), edge.Edge(), addr, true); err != nil || got != "HTTP/2.0" {
		t.Errorf("%q, %v", got, err)
	}
	if err := generate(); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("once more: %v", err)
	}
	for _, name := range wrote {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
