package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRegistrationSaysWhereMetricsAre: Prometheus finds the admin listener by the port in the metadata.
func TestRegistrationSaysWhereMetricsAre(t *testing.T) {
	t.Parallel()
	for url, port := range map[string]string{"http://10.0.0.7:9090/readyz": "9090", "http://10.0.0.7/readyz": "", "http://[::1/": ""} {
		in := Instance{ID: "a", Region: eu, Target: "order,payment", ReadyURL: url}
		want := map[string]string{"region": "eu-west-1", "target": "order,payment", "admin_port": port}
		if diff := cmp.Diff(want, in.service("10.0.0.7", 8080).Meta); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
	}
}
