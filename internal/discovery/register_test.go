package discovery

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/regions"
)

// TestRegistrationSaysWhereMetricsAre: Prometheus finds the admin listener by the port in the metadata.
func TestRegistrationSaysWhereMetricsAre(t *testing.T) {
	t.Parallel()
	for url, port := range map[string]string{"http://10.0.0.7:9090/readyz": "9090", "http://10.0.0.7/readyz": "", "http://[::1/": ""} {
		in := Instance{ID: "a", Region: eu, Service: ServiceName, Target: "order,payment", ReadyURL: url}
		want := map[string]string{"region": "eu-west-1", "target": "order,payment", "admin_port": port}
		if diff := cmp.Diff(want, in.service("10.0.0.7", 8080).Meta); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
	}
}

// operatorLists has an edge register whose words change, and sees them in the other region. No view takes it for a stack.
func operatorLists(t *testing.T, servers map[regions.Name]*consulServer, v *View) {
	t.Helper()
	admin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(admin.Close)
	var keys atomic.Pointer[string]
	keys.Store(new("old"))
	edge, err := Register(t.Context(), servers[us].addr(), Instance{
		ID: "us-east-1-edge", Region: us, Service: EdgeServiceName, Target: "edge", Advertise: "127.0.0.1:443", ReadyURL: admin.URL,
		Says: func() map[string]string {
			return map[string]string{"keys": *keys.Load(), metaTarget: "not for it to say"}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	abroad, err := NewOperator(servers[eu].addr())
	if err != nil {
		t.Fatal(err)
	}
	says := func(want string) func() bool {
		return func() bool {
			processes, err := abroad.Processes(t.Context(), us)
			if err != nil {
				return false
			}
			found := map[string]Process{}
			for _, p := range processes {
				found[p.Service+" "+p.ID] = p
			}
			p := found["meridian-edge us-east-1-edge"]
			return len(processes) == 3 && found["meridian us-east-1-stack-1"].Metadata[metaTarget] == "all" &&
				p.Metadata["keys"] == want && p.Metadata[metaTarget] == "edge" && p.Metadata[metaRegion] == "us-east-1"
		}
	}
	eventually(t, "the edge is listed beside two stacks", says("old"))
	local, err := NewOperator(servers[us].addr())
	if err != nil {
		t.Fatal(err)
	}
	passes := func() bool {
		processes, err := local.Processes(t.Context(), "")
		return err == nil && slices.ContainsFunc(processes, func(p Process) bool { return p.Service == EdgeServiceName && p.Passing })
	}
	eventually(t, "its check passes", passes)
	keys.Store(new("new"))
	eventually(t, "it says something else", says("new"))
	eventually(t, "its check passes still", passes)
	becomes(t, v, "2/2 1/1 0/0")
	if err := edge.Deregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is gone", func() bool { return !passes() })
}
