package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

// consulBinary finds a Consul, or skips the test.
func consulBinary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Consul servers; not with -short")
	}
	if home, err := os.UserCacheDir(); err == nil {
		if path := filepath.Join(home, "meridian", "bin", "consul"); isExecutable(path) {
			return path
		}
	}
	path, err := exec.LookPath("consul")
	if err != nil {
		t.Skip("no consul in the cache folder nor on PATH: make deps builds one")
	}
	return path
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

// consulServer is one datacenter of one server, on an address of its own.
type consulServer struct {
	binary, dir, host string
	region            regions.Name
	join              []string
	cmd               *exec.Cmd
}

func (c *consulServer) addr() string { return net.JoinHostPort(c.host, "8500") }

func (c *consulServer) start(t *testing.T) {
	t.Helper()
	args := []string{
		"agent", "-server", "-bootstrap-expect=1", "-data-dir=" + c.dir, "-datacenter=" + string(c.region), "-node=" + string(c.region),
		"-bind=" + c.host, "-client=" + c.host, "-log-level=error",
		"-hcl=performance { raft_multiplier = 1 }", "-hcl=disable_update_check = true", "-hcl=leave_on_terminate = false",
		"-hcl=ports { grpc = -1 grpc_tls = -1 dns = -1 }", `-hcl=retry_interval_wan = "1s"`,
	}
	for _, j := range c.join {
		args = append(args, "-retry-join-wan="+j)
	}
	c.cmd = exec.Command(c.binary, args...)
	c.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	log, err := os.Create(c.dir + ".log")
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Consul of "+string(c.region)+" has a leader", func() bool {
		var leader string
		return c.ask(t, "/v1/status/leader", &leader) && leader != ""
	})
}

func (c *consulServer) kill() {
	if c.cmd != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		c.cmd = nil
	}
}

func (c *consulServer) ask(t *testing.T, path string, into any) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(into) == nil && res.StatusCode == http.StatusOK
}

// eventually waits for a condition, with room for a slow machine.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it did not happen: %s", what)
}

// consuls starts a federated datacenter for each region, on the addresses 127.<network>.0.<n>.
func consuls(t *testing.T, network int, names ...regions.Name) map[regions.Name]*consulServer {
	t.Helper()
	binary := consulBinary(t)
	out := map[regions.Name]*consulServer{}
	var hosts []string
	for i, n := range names {
		c := &consulServer{
			binary: binary, region: n, dir: filepath.Join(t.TempDir(), string(n)), join: append([]string(nil), hosts...),
			host: fmt.Sprintf("127.%d.0.%d", network, i+1),
		}
		hosts = append(hosts, c.host)
		t.Cleanup(c.kill)
		c.start(t)
		out[n] = c
	}
	return out
}

// stack is an instance that answers probes and registers itself.
func stack(t *testing.T, c *consulServer, id string) (*Registration, *http.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(c.host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != ReadyPath {
			http.NotFound(w, r)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	addr := listener.Addr().String()
	r, err := Register(t.Context(), c.addr(), Instance{
		ID: id, Region: c.region, Service: ServiceName, Target: "all", Advertise: addr, ReadyURL: "http://" + addr + ReadyPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, server
}

func TestRealConsul(t *testing.T) {
	t.Parallel()
	network := nettest.Network(t)
	servers := consuls(t, network, eu, us)
	first, _ := stack(t, servers[us], "us-east-1-stack-1")
	_, second := stack(t, servers[us], "us-east-1-stack-2")
	stack(t, servers[eu], "eu-west-1-stack-1")

	v := runView(t, map[regions.Name]string{eu: servers[eu].addr(), us: servers[us].addr()})
	becomes(t, v, "2/2 1/1 0/0")

	// A region whose own Consul cannot be reached is listed through the local one.
	indirect := runView(t, map[regions.Name]string{eu: servers[eu].addr(), us: fmt.Sprintf("127.%d.0.99:8500", network)})
	becomes(t, indirect, "2/2 1/1 0/0")
	if got := indirect.Snapshot().Region(us).Source; got != SourceCrossDC {
		t.Errorf("source %s, want the federated view", got)
	}

	operatorDrains(t, servers, v)
	operatorLists(t, servers, v)

	// Killing the region's Consul loses nothing; killing a stack is noticed without it.
	servers[us].kill()
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	becomes(t, v, "1/2 1/1 0/0")
	becomes(t, indirect, "1/2 1/1 0/0")

	// A Consul that lost its state is told again.
	if err := os.RemoveAll(servers[us].dir); err != nil {
		t.Fatal(err)
	}
	servers[us].start(t)
	eventually(t, "the instances register again", func() bool {
		var services map[string]struct{ Service string }
		return servers[us].ask(t, "/v1/agent/services", &services) && len(services) == 2
	})
	if err := first.Deregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the drained instance is gone", func() bool {
		var services map[string]struct{ Service string }
		return servers[us].ask(t, "/v1/agent/services", &services) && len(services) == 1
	})
}

func becomes(t *testing.T, v *View, want string) {
	t.Helper()
	eventually(t, "us eu ap become "+want, func() bool { return counts(v) == want })
}

// runView runs the view of the European edge until the test ends.
func runView(t *testing.T, consul map[regions.Name]string) *View {
	t.Helper()
	v, err := NewView(Config{Regions: regions.Default(), Region: eu, Consul: consul})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return v
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	good := Instance{ID: "a", Region: eu, Service: ServiceName, Target: "all", Advertise: "127.0.0.1:8080", ReadyURL: "http://127.0.0.1:9090/readyz"}
	for name, edit := range map[string]func(*Instance){
		"no id":        func(i *Instance) { i.ID = "" },
		"no region":    func(i *Instance) { i.Region = "" },
		"no service":   func(i *Instance) { i.Service = "" },
		"no URL":       func(i *Instance) { i.ReadyURL = "" },
		"no port":      func(i *Instance) { i.Advertise = "127.0.0.1" },
		"port zero":    func(i *Instance) { i.Advertise = "127.0.0.1:0" },
		"a named port": func(i *Instance) { i.Advertise = "127.0.0.1:http" },
		"no host":      func(i *Instance) { i.Advertise = ":8080" },
	} {
		bad := good
		edit(&bad)
		if _, err := Register(t.Context(), "127.0.0.1:8500", bad); err == nil || !strings.HasPrefix(err.Error(), "discovery: register") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Register(t.Context(), "127.0.0.1", good); err == nil {
		t.Error("a bad Consul address: no error")
	}
}

func TestHTTPProber(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	listener, err := net.Listen("tcp", nettest.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == ReadyPath {
			w.WriteHeader(status)
		} else {
			http.NotFound(w, r)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	probe, closeIdle := newHTTPProber(nil, nil)
	defer closeIdle()
	addr := listener.Addr().String()
	if _, err := probe(t.Context(), addr); err != nil {
		t.Errorf("ready: %v", err)
	}
	status = http.StatusServiceUnavailable
	if _, err := probe(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("not ready: %v", err)
	}
	_ = server.Close()
	if _, err := probe(t.Context(), addr); err == nil {
		t.Error("gone: no error")
	}
	if _, err := probe(t.Context(), "no such address\x7f"); err == nil {
		t.Error("a bad address: no error")
	}
}
