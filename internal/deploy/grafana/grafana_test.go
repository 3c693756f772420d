package grafana_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/grafana"
	"github.com/meridian-commerce/meridian/internal/deploy/observetest"
	"github.com/meridian-commerce/meridian/regions"
)

// tree writes the dashboards of a catalog to a folder and returns their files.
func tree(t *testing.T, c *regions.Set) (root string, files []string) {
	t.Helper()
	rendered, err := grafana.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	if err := deploy.Write(root, rendered); err != nil {
		t.Fatal(err)
	}
	for _, f := range rendered {
		files = append(files, filepath.Join(root, filepath.FromSlash(f.Path)))
	}
	return root, files
}

// TestDashboardsFitGrafanasSchema holds every field against the types that Grafana publishes.
func TestDashboardsFitGrafanasSchema(t *testing.T) {
	t.Parallel()
	root, files := tree(t, regions.Default())
	check := deploytest.Tool(t, "dashcheck")
	if out, err := deploytest.Run(t.Context(), root, check, files...); err != nil || len(files) != 8 {
		t.Errorf("%d dashboards: %v\n%s", len(files), err, out)
	}
	for _, m := range [][2]string{
		{`"graphTooltip": 1`, `"graphTooltips": 1`},
		{`"type": "geomap"`, `"type": "geomap", "gridpos": {}`},
		{`"mouseWheelZoom": false`, `"mouseWheelZoom": "no"`},
		{`"latitude": "lat"`, `"lat": "lat"`},
	} {
		global := filepath.Join(root, "deploy/grafana/dashboards/meridian-global.json")
		before, err := os.ReadFile(global)
		if err != nil {
			t.Fatal(err)
		}
		deploytest.Replace(t, global, m[0], m[1])
		if out, err := deploytest.Run(t.Context(), root, check, global); err == nil {
			t.Errorf("%s was accepted:\n%s", m[1], out)
		}
		if err := os.WriteFile(global, before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFourthRegionIsOnEveryDashboard(t *testing.T) {
	t.Parallel()
	c, err := regions.Parse(deploytest.FourRegions(t))
	if err != nil {
		t.Fatal(err)
	}
	root, files := tree(t, c)
	if out, err := deploytest.Run(t.Context(), root, deploytest.Tool(t, "dashcheck"), files...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	dashboards, err := observetest.Dashboards(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range c.Names() {
		names = append(names, string(n))
	}
	for _, f := range observetest.CheckDashboards(dashboards, names) {
		t.Error(f)
	}
	three, _ := tree(t, regions.Default())
	dashboards, err = observetest.Dashboards(os.DirFS(three))
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, f := range observetest.CheckDashboards(dashboards, names) {
		if strings.Contains(f.What, "does not offer sa-east-1") {
			missing++
		}
	}
	if missing != len(dashboards) {
		t.Errorf("%d of %d dashboards of three regions were found to lack the fourth", missing, len(dashboards))
	}
}
