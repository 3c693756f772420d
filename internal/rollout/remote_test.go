package rollout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestPrometheusCounts(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query().Get("query")
		asked = append(asked, query)
		value := "1000"
		switch {
		case strings.Contains(query, `"5..|aborted"`):
			value = "7"
		case strings.Contains(query, `"ok|refused"`):
			_, _ = fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`) // no such series yet
			return
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000.5,%q]}]}}`, value)
	}))
	t.Cleanup(server.Close)
	p, err := NewPrometheus(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Count(t.Context(), eu, 90*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := []Sample{{"answers of the region's edges", 0, 1000}, {"requests that its stacks served", 7, 1000}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	slices.Sort(asked)
	if diff := cmp.Diff([]string{
		`sum(increase(meridian_edge_answer_duration_seconds_count{cloud_region="eu-west-1",class!="background",result!="canceled",result!~"ok|refused"}[90s]))`,
		`sum(increase(meridian_edge_answer_duration_seconds_count{cloud_region="eu-west-1",class!="background",result!="canceled"}[90s]))`,
		`sum(increase(meridian_edge_requests_total{region="eu-west-1",code!="canceled",code=~"5..|aborted"}[90s]))`,
		`sum(increase(meridian_edge_requests_total{region="eu-west-1",code!="canceled"}[90s]))`,
	}, asked); diff != "" {
		t.Error(diff)
	}
	if traffic, err := p.Traffic(t.Context(), []regions.Name{us, eu}); err != nil || traffic[us] != 1000 {
		t.Errorf("traffic: %v, %v", traffic, err)
	}
}

// TestPrometheusOfEachRegion adds up what the regions' own count, and counts nothing while one of them is silent.
func TestPrometheusOfEachRegion(t *testing.T) {
	t.Parallel()
	var servers []*httptest.Server
	var addresses []string
	for _, value := range []string{"30", "12"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"status":"success","data":{"result":[{"value":[1,%q]}]}}`, value)
		}))
		t.Cleanup(server.Close)
		servers, addresses = append(servers, server), append(addresses, server.URL)
	}
	p, err := NewPrometheus(addresses...)
	if err != nil {
		t.Fatal(err)
	}
	if traffic, err := p.Traffic(t.Context(), []regions.Name{eu}); err != nil || traffic[eu] != 42 {
		t.Errorf("traffic: %v, %v", traffic, err)
	}
	servers[1].Close()
	if traffic, err := p.Traffic(t.Context(), []regions.Name{eu}); err == nil {
		t.Errorf("with one of them gone: %v", traffic)
	}
	if _, err := NewPrometheus(); err == nil {
		t.Error("none is enough")
	}
}

func TestPrometheusFails(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"an error":        `{"status":"error","errorType":"bad_data","error":"parse error"}`,
		"no JSON":         `<html>502</html>`,
		"several values":  `{"status":"success","data":{"result":[{"value":[1,"1"]},{"value":[1,"2"]}]}}`,
		"no number":       `{"status":"success","data":{"result":[{"value":[1,"many"]}]}}`,
		"no string":       `{"status":"success","data":{"result":[{"value":[1,2]}]}}`,
		"nothing at all":  ``,
		"nothing in JSON": `{}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, answer) }))
		p, err := NewPrometheus(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := p.Count(t.Context(), eu, time.Minute); err == nil {
			t.Errorf("%s counts as %v", name, s)
		}
		server.Close()
	}
	for _, address := range []string{"", "prometheus:9090", "ftp://x", "http://"} {
		if _, err := NewPrometheus(address); err == nil {
			t.Errorf("%q is taken for a URL", address)
		}
	}
}

func TestShell(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Shell("echo changing {region}; echo {region} >&2", &out)(t.Context(), eu); err != nil || out.String() != "changing eu-west-1\neu-west-1\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	if err := Shell("exit 3", &out)(t.Context(), eu); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a failed command: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- Shell("echo begun; sleep 1000 & wait", writer)(ctx, eu) }()
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a command that was cut off: %v", err)
	}
}

func TestStateIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	if _, found, err := Load(file); found || err != nil {
		t.Errorf("no file: %v, %v", found, err)
	}
	want := State{Change: "x", Regions: []regions.Name{us, eu}, Done: []regions.Name{us}, Current: eu, Cause: "burns"}
	if err := SaveTo(file)(want); err != nil {
		t.Fatal(err)
	}
	got, found, err := Load(file)
	if diff := cmp.Diff(want, got); diff != "" || !found || err != nil || got.Next() != eu {
		t.Errorf("%v, %v: %s", found, err, diff)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file); err == nil {
		t.Error("half a state was read")
	}
}

// TestConsul runs against a real server, which stands for every region's.
func TestConsul(t *testing.T) {
	t.Parallel()
	address := startConsul(t)
	f, err := NewConsul([]Agent{{Region: eu, Address: address}, {Region: us, Address: address, Datacenter: "dc1"}})
	if err != nil {
		t.Fatal(err)
	}
	register(t, address, "one", api.HealthPassing)
	register(t, address, "two", api.HealthCritical)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	eventually(t, func() error { return f.Drain(t.Context(), eu, until, reason) })
	stands(t, f, Standing{1, 2, until, reason})
	eventually(t, func() error { return f.Undrain(t.Context(), eu) })
	client, err := api.NewClient(&api.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Agent().UpdateTTL("two", "", api.HealthPassing); err != nil {
		t.Fatal(err)
	}
	stands(t, f, Standing{Healthy: 2, Total: 2})
	if _, err := f.Standing(t.Context(), ap); err == nil {
		t.Error("a region without a Consul stands well")
	}
}

// stands waits until Europe stands so: an agent tells its servers of a change a moment later.
func stands(t *testing.T, f *Consul, want Standing) {
	t.Helper()
	eventually(t, func() error {
		got, err := f.Standing(t.Context(), eu)
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			return errors.New(diff)
		}
		return err
	})
}

// eventually asks again what a Consul has two seconds for, which a busy machine may need for something else.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestConsulLost: a region whose edges cannot be notified fails the whole drain, because its edges would go on sending.
func TestConsulLost(t *testing.T) {
	t.Parallel()
	f, err := NewConsul([]Agent{{Region: eu, Address: "127.200.0.9:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Drain(t.Context(), us, time.Now().Add(time.Hour), reason); err == nil || !strings.Contains(err.Error(), "edges of eu-west-1 are not notified") {
		t.Errorf("drain: %v", err)
	}
	if _, err := f.Standing(t.Context(), eu); err == nil {
		t.Error("a region stands well whose Consul is lost")
	}
	if _, err := NewConsul([]Agent{{Region: eu, Address: "nowhere"}}); err == nil {
		t.Error("an address without a port is taken")
	}
}

// register puts an instance into Consul with a check of that status.
func register(t *testing.T, address, id, status string) {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: id, Name: discovery.ServiceName, Port: 1, Check: &api.AgentServiceCheck{CheckID: id, TTL: "1h", Status: status},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startConsul starts a server on a loopback address of its own and returns its address, or skips the test.
func startConsul(t *testing.T) string {
	t.Helper()
	host := fmt.Sprintf("127.%d.0.1", nettest.Network(t))
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	binary := filepath.Join(cache, "meridian", "bin", "consul")
	if _, err := os.Stat(binary); err != nil || testing.Short() {
		t.Skip("no Consul: make deps builds one; and none is started with -short")
	}
	cmd := exec.Command(binary, "agent", "-server", "-bootstrap-expect=1", "-data-dir="+t.TempDir(), "-bind="+host, "-client="+host, "-log-level=error",
		"-hcl=performance { raft_multiplier = 1 }", "-hcl=disable_update_check = true", "-hcl=ports { grpc = -1 grpc_tls = -1 dns = -1 }")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := net.JoinHostPort(host, "8500")
	deadline := time.Now().Add(5 * time.Minute)
	for {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/catalog/service/consul", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			text := new(bytes.Buffer)
			_, _ = text.ReadFrom(answer.Body)
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK && strings.Contains(text.String(), `"consul"`) {
				return address
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Consul has no leader: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
