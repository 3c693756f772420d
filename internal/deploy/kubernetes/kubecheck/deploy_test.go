package kubecheck

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/deploy/kubernetes"
)

// played is the region whose nodes and pods are played.
const played = "eu-west-1"

// How long something may take before the check gives up on it: a deployment, and everything else. No verdict rests on it, but
// for pods of a lost zone that would be waited for five minutes.
const (
	soon     = 90 * time.Second
	patience = 3 * time.Minute
)

// podCheck is a check with pods.
type podCheck struct {
	*check
	watch   *watch
	zones   []string
	version string // that runs, or is rolled out
}

// checkPods deploys a region as the pages say, to nodes that are played, and has things happen to it: everything, or what is
// named.
func (c *check) checkPods(only ...string) {
	p := &podCheck{check: c, version: firstVersion, zones: zonesOf(c.catalog, played)}
	c.writeStubs([]string{played})
	c.plane = startPlane(c.t, filepath.Join(c.dir, "stubs"), played)
	c.startControllers(played)
	c.startNodes(played, p.zones)
	c.prepare(played)
	if !p.deploy() {
		return
	}
	p.whole()
	fmt.Fprintf(c.out, "%-62s", "ready at least, of what is promised")
	for _, part := range shown {
		fmt.Fprintf(c.out, "%10s", part)
	}
	fmt.Fprintf(c.out, "%10s\n", "seconds")
	for _, e := range p.exercises() {
		if len(only) == 0 || slices.Contains(only, e.name) {
			p.run(e)
		}
	}
	if len(only) == 0 {
		c.unrun(podStage)
	}
}

// promised returns how many pods of each part are to be ready while something happens; "" is for nothing.
func (p *podCheck) promised(during kubernetes.Event) map[string]int {
	regions, nodes := len(p.catalog.Names()), nodesPerZone*len(p.zones)
	if during == "" {
		return kubernetes.Running(regions, nodes)
	}
	return kubernetes.Ready(during, regions, nodes)
}

// deploy follows the how-to, and waits until all pods are ready.
func (p *podCheck) deploy() bool {
	if !p.do(admin, p.dir, p.script(deployPage, "-k meridian/deploy/k8s/cluster")) {
		return false
	}
	p.watch = startWatch(p.t, p.plane, played)
	if !p.do(deployer, p.dir, p.script(deployPage, "-k site/migrate")) {
		return false
	}
	if err := p.watch.until(p.t.Context(), soon, lacking(p.promised(""))); err != nil {
		p.finding("after the deployment: %v", err)
		return false
	}
	// The audit runs at night: here it does at once.
	return p.do(deployer, p.dir, "kubectl --context "+played+" -n meridian create job audit-now --from=cronjob/audit\n"+
		"kubectl --context "+played+" -n meridian wait --for=condition=complete --timeout=1m job/audit-now")
}

// whole looks at what was deployed: as many pods as the page says, a budget for each part, as many pods in each zone, and no
// token in any.
func (p *podCheck) whole() {
	want := p.promised("")
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct{ Replicas int }
			Status   struct{ DisruptionsAllowed, ExpectedPods int }
		}
	}
	p.read(played, &list, "deployments,poddisruptionbudgets", "-n", namespace)
	allowed := map[string]int{}
	for _, o := range list.Items {
		name := o.Metadata.Name
		if o.Kind == "Deployment" && o.Spec.Replicas != want[name] {
			p.finding("%d pods of %s run, the arithmetic says %d", o.Spec.Replicas, name, want[name])
		}
		if o.Kind == "PodDisruptionBudget" && o.Status.ExpectedPods == want[name] {
			allowed[name] = o.Status.DisruptionsAllowed
		}
	}
	for part, least := range p.promised(kubernetes.Drain) {
		if part != "consul" && allowed[part] != want[part]-least {
			p.finding("the budgets let %d of %s's %d pods be away, the page says %d", allowed[part], part, want[part], want[part]-least)
		}
	}
	p.look(func(s state) {
		for _, pod := range s.pods {
			for _, v := range pod.Spec.Volumes {
				for _, source := range v.Projected.Sources {
					if source.ServiceAccountToken != nil {
						p.finding("%s has a token of its service account, which it does not need", pod.Metadata.Name)
					}
				}
			}
		}
	})
	p.even()
}

// look has something look at the pods as they are.
func (p *podCheck) look(at func(state)) {
	err := p.watch.until(p.t.Context(), patience, func(s state) string { at(s); return "" })
	if err != nil {
		p.t.Fatal(err)
	}
}

// even wants as many pods of each part in each zone.
func (p *podCheck) even() {
	p.look(func(s state) {
		spread := s.spread()
		for part, pods := range p.promised("") {
			if most := slices.Max(append(slices.Collect(maps.Values(spread[part])), 0)); most > (pods+len(p.zones)-1)/len(p.zones) {
				p.finding("a zone has %d of the %d pods of %s: %v", most, pods, part, spread[part])
			}
		}
	})
}

// shown are the parts in the order in which they are printed.
var shown = []string{"edge", "browse", "checkout", "worker", "consul"}

// run has something happen, prints the fewest pods that were ready, and compares with what is promised.
func (p *podCheck) run(e exercise) {
	before := len(p.found)
	p.watch.begin()
	began := time.Now()
	if err := e.do(); err != nil {
		p.finding("%s: %v", e.name, err)
	}
	fewest := p.watch.fewest()
	var row strings.Builder
	fmt.Fprintf(&row, "%-62s", e.name)
	for _, part := range shown {
		least := p.promised(e.during)[part]
		if fewest[part] < least {
			p.finding("%s: %d pods of %s were ready at the worst, %d are promised", e.name, fewest[part], part, least)
		}
		fmt.Fprintf(&row, "%10s", fmt.Sprintf("%d/%d", fewest[part], least))
	}
	fmt.Fprintf(p.out, "%s%10.0f\n", row.String(), time.Since(began).Seconds())
	for _, f := range p.found[before:] {
		fmt.Fprintln(p.out, "  "+f)
	}
}
