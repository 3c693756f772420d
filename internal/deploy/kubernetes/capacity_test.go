package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// TestSurvivorsCarryTheLoadOfALostRegion: by pods at the everyday peak, and by what autoscalers keep at any load.
func TestSurvivorsCarryTheLoadOfALostRegion(t *testing.T) {
	t.Parallel()
	const reserve = 100 - disruption - growth
	for n := 2; n <= 15; n++ {
		for peak := 1; peak <= 100; peak++ {
			if survivors, all := (n-1)*minReplicas(n, peak)*reserve, n*peak*100; survivors < all {
				t.Errorf("%d regions with a peak of %d pods: %d pods each do not carry it when one is lost", n, peak, minReplicas(n, peak))
			}
			if each := minReplicas(n, peak); each%zoneCount != 0 || n > 1 && n < 7 && each-each/zoneCount < peak {
				t.Errorf("%d regions with a peak of %d pods: %d pods do not carry it when a zone is lost", n, peak, each)
			}
			if maxReplicas(n, peak) < spike*peak {
				t.Errorf("%d regions with a peak of %d pods: no room for the spike", n, peak)
			}
		}
		if after := utilization(n) * n / (n - 1); after > reserve {
			t.Errorf("%d regions: %d %% before a loss are %d %% after it", n, utilization(n), after)
		}
		if n > 2 && utilization(n) < utilization(n-1) {
			t.Errorf("with %d regions each may use %d %%, with one less %d %%", n, utilization(n), utilization(n-1))
		}
	}
	if after := 70 * 3 / 2; after <= 100 {
		t.Errorf("70 %% of three regions would be %d %% of two", after)
	}
}

// TestDocumentedArithmetic holds the page's tables to the formula.
func TestDocumentedArithmetic(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(deploytest.Root(t) + "/docs/explanation/capacity-arithmetic.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for n := 1; n <= 6; n++ {
		after := utilization(n)
		if n > 1 {
			after = after * n / (n - 1)
		}
		rows = append(rows, fmt.Sprintf("| %d | %d %% | %d %% | %d %% |", n, utilization(n), after, ceil(utilization(n)*zoneCount, zoneCount-1)))
	}
	const n, nodes = 3, 9
	for during, least := range map[Event]map[string]int{
		"nothing happens": Running(n, nodes), Rollout: Ready(Rollout, n, nodes), Drain: Ready(Drain, n, nodes),
		LostZone: Ready(LostZone, n, nodes), Spike: Ready(Spike, n, nodes),
	} {
		rows = append(rows, fmt.Sprintf("| %s | %d | %d | %d | %d | %d |", during,
			least["edge"], least["browse"], least["checkout"], least["worker"], least["consul"]))
	}
	for _, p := range parts() {
		rows = append(rows, fmt.Sprintf("| `%s` | %d | %d | %d | %d | %.2f |",
			p.name, p.peak, p.full, minReplicas(n, p.peak), maxReplicas(n, p.peak), float64(p.full*utilization(n))/100))
	}
	least, most := connections(t, n)
	rows = append(rows, fmt.Sprintf("| everyday peak | %d | %d |", least, ceil(least, 4)), fmt.Sprintf("| ten times that | %d | %d |", most, ceil(most, 4)))
	for _, row := range rows {
		if !strings.Contains(string(text), row) {
			t.Errorf("the page lacks the row %s", row)
		}
	}
}

// connections returns how many database connections the pods of a region of n may open, at least and at most. Of the
// workers only the one that holds the leases opens more than one or two.
func connections(t *testing.T, n int) (least, most int) {
	t.Helper()
	files, err := filepath.Glob(deploytest.Root(t) + "/deploy/k8s/base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range parse(t, string(text)) {
			if !o.isProduct() {
				continue
			}
			from, to := 1, 1
			for _, p := range parts() {
				if p.name == o.Metadata.Name {
					from, to = minReplicas(n, p.peak), maxReplicas(n, p.peak)
				}
			}
			for _, e := range o.Spec.Template.Spec.Containers[0].Env {
				if e.Name == "MERIDIAN_DATABASE_MAX_CONNS" {
					each, err := strconv.Atoi(e.Value)
					if err != nil {
						t.Fatal(err)
					}
					least, most = least+from*each, most+to*each
				}
			}
		}
	}
	return least, most
}
