package infrastructure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/discovery"
)

// TestProcessesMayRegister: the policy of the pods' token lets stacks and edges write the services as which they register.
func TestProcessesMayRegister(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), "terraform", "modules", "consul", "secrets.tf"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n    meridian = ")
	policy, _, _ := strings.Cut(rest, "\n")
	for _, service := range []string{discovery.ServiceName, discovery.EdgeServiceName} {
		if want := `service \"` + service + `\" {\n  policy = \"write\"\n}`; !strings.Contains(policy, want) {
			t.Errorf("nothing registers as %s: the policy is %s", service, policy)
		}
	}
}
