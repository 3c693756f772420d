package observetest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
)

const globalView = "deploy/k8s/global-view/prometheus.yaml"

// untold returns what is asked of the global view and not told there: by the rules of all regions and by the dashboard
// Global. Durations are left out: their buckets are most of all series.
func untold(t *testing.T, root string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, globalView))
	if err != nil {
		t.Fatal(err)
	}
	var patch struct {
		Spec struct {
			RemoteWrite []struct {
				Relabel []struct{ Regex, Action string } `yaml:"writeRelabelConfigs"`
			} `yaml:"remoteWrite"`
		}
	}
	if err := yaml.Unmarshal(text, &patch); err != nil || len(patch.Spec.RemoteWrite) != 1 || len(patch.Spec.RemoteWrite[0].Relabel) != 1 {
		t.Fatalf("%s: %v", globalView, err)
	}
	told := regexp.MustCompile("^(?:" + patch.Spec.RemoteWrite[0].Relabel[0].Regex + ")$")
	all, err := observetest.Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	var expressions []string
	recorded := map[string]bool{"meridian:region_info": true} // by rules/regions.yml, which is evaluated there too
	for _, r := range all.Rules {
		if r.Global {
			expressions = append(expressions, r.Expr)
		}
	}
	for _, d := range all.Dashboards {
		for _, q := range d.Queries() {
			if d.UID == "meridian-global" {
				expressions = append(expressions, q.Expr)
			}
		}
	}
	asked, err := observetest.Asked(t.Context(), observetest.Promast(deploytest.Tool(t, "promast")), expressions...)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) < 15 {
		t.Errorf("only %v is asked for", asked)
	}
	return slices.DeleteFunc(asked, func(name string) bool {
		return told.MatchString(name) || recorded[name] || name == "meridian_edge_answer_duration_seconds_bucket"
	})
}

func TestGlobalViewIsToldEnough(t *testing.T) {
	t.Parallel()
	if names := untold(t, deploytest.Root(t)); len(names) > 0 {
		t.Errorf("the global view is not told %v", names)
	}
	root := deploytest.Copy(t, append(slices.Clone(parts), globalView)...)
	deploytest.Replace(t, filepath.Join(root, globalView), "|meridian_lease_held", "")
	if names := untold(t, root); !slices.Equal(names, []string{"meridian_lease_held"}) {
		t.Errorf("what is left out: %v", names)
	}
}
