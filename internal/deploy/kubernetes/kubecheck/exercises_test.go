package kubecheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/kubernetes"
)

// exercise is something that happens to a region. Its error is what the region did not come back from.
type exercise struct {
	name   string
	during kubernetes.Event
	do     func() error
}

const (
	rollsOut    = "a version is rolled out"
	rollsBack   = "one that does not start is rolled back, twice"
	drains      = "all nodes of a zone are drained, zone after zone"
	restarts    = "the deployments are restarted"
	losesZone   = "a zone is lost"
	zoneIsFixed = "the zone is back, and the deployments are restarted"
	cannotGrow  = "half as many edges more, while a zone cannot grow"
	spikes      = "a spike: as many edges and checkouts as there may be"
)

func (p *podCheck) exercises() []exercise {
	return []exercise{
		{rollsOut, kubernetes.Rollout, p.rollOut},
		{rollsBack, kubernetes.Rollout, p.rollBack},
		{drains, kubernetes.Drain, p.drain},
		{restarts, kubernetes.Rollout, p.restart},
		{losesZone, kubernetes.LostZone, p.loseZone},
		{zoneIsFixed, kubernetes.Rollout, p.fixZone},
		{cannotGrow, kubernetes.Spike, p.growWithoutAZone},
		{spikes, kubernetes.Spike, p.spike},
	}
}

// told returns the two commands that the page gives to a rollout, for the region.
func (p *podCheck) told() (forth, back string, err error) {
	dir := p.t.TempDir()
	if out, err := p.sh(p.t.Context(), deployer, p.dir, p.script(rolloutPage, "--rollback-exec 'kubectl"), "TOLD="+dir); err != nil {
		return "", "", fmt.Errorf("%w: %s", err, out)
	}
	var texts []string
	for _, name := range []string{"exec", "rollback-exec"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", "", err
		}
		texts = append(texts, strings.ReplaceAll(string(text), "{region}", played))
	}
	return texts[0], texts[1], nil
}

// rollOut migrates and rolls out as the page says.
func (p *podCheck) rollOut() error {
	p.writeSite("site-before", p.version)
	p.writeSite("site", secondVersion)
	p.version = secondVersion
	forth, _, err := p.told()
	if err != nil {
		return err
	}
	if !p.do(deployer, p.dir, p.script(rolloutPage, "delete job migrate")) || !p.do(deployer, p.dir, forth) {
		return errors.New("the version is not rolled out")
	}
	return p.settled()
}

// settled waits until no pod but those of the version is there, and all of them are ready.
func (p *podCheck) settled() error {
	return p.watch.until(p.t.Context(), patience, func(s state) string {
		for _, pod := range s.pods {
			if image := pod.Spec.Containers[0].Image; pod.Status.Phase != "Succeeded" && !isOf(p.version, image) {
				return pod.Metadata.Name + " runs " + image
			}
		}
		return lacking(p.promised(""))(s)
	})
}

// isOf reports whether an image is one of a version, Consul's too.
func isOf(version, image string) bool {
	_, tag, isConsul := strings.Cut(image, "/consul:")
	if isConsul && version == firstVersion {
		return !strings.Contains(tag, "-")
	}
	return strings.HasSuffix(image, "@"+digest(version)) || isConsul && strings.HasPrefix(tag, version+"-")
}

// rollBack rolls out a version that does not start, gives up, and takes the way back of the page; and once more.
func (p *podCheck) rollBack() error {
	p.writeSite("site-before", p.version)
	p.writeSite("site", brokenVersion)
	forth, back, err := p.told()
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancel(p.t.Context())
	defer giveUp()
	ended := make(chan error, 1)
	go func() {
		_, err := p.sh(ctx, deployer, p.dir, forth)
		ended <- err
	}()
	err = p.watch.until(ctx, patience, func(s state) string {
		broken := map[string]bool{}
		for _, pod := range s.pods {
			broken[pod.part()] = broken[pod.part()] || pod.Metadata.DeletionTimestamp == nil && pod.Spec.NodeName != "" && isOf(brokenVersion, pod.Spec.Containers[0].Image)
		}
		for _, part := range shown {
			if !broken[part] {
				return "no pod of " + part + " is of the version that does not start"
			}
		}
		return ""
	})
	giveUp()
	if rolledOut := <-ended; rolledOut == nil {
		return errors.New("a version that does not start counts as rolled out")
	}
	if err != nil {
		return err
	}
	var pods []string
	for range 2 {
		if !p.do(deployer, p.dir, back) {
			return errors.New("the way back fails")
		}
		if err := p.settled(); err != nil {
			return err
		}
		var now []string
		p.look(func(s state) {
			for _, pod := range s.pods {
				now = append(now, pod.Metadata.UID)
			}
		})
		slices.Sort(now)
		if pods != nil && !slices.Equal(now, pods) {
			return errors.New("the way back, taken again, replaced pods")
		}
		pods = now
	}
	if out, err := p.sh(p.t.Context(), deployer, p.dir, "kubectl --context "+played+" diff --server-side -k site-before/"+played); err != nil {
		return fmt.Errorf("what runs differs from the overlay that was gone back to: %w\n%s", err, out)
	}
	return nil
}

// drain drains three nodes at once, as the upgrade of a node group may do it.
func (p *podCheck) drain() error {
	for _, zone := range p.zones {
		var all sync.WaitGroup
		errs := make([]error, nodesPerZone)
		for i := range nodesPerZone {
			all.Go(func() {
				_, errs[i] = p.kubectl(admin, played, "", "drain", node(zone, i), "--ignore-daemonsets", "--delete-emptydir-data", "--timeout="+patience.String())
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if err := p.watch.until(p.t.Context(), patience, lacking(p.promised(""))); err != nil {
			return err
		}
		p.cordon("uncordon", zone)
	}
	return nil
}

func node(zone string, i int) string { return fmt.Sprintf("%s-%d", zone, i+1) }

// cordon keeps new pods off the nodes of a zone, or lets them there again.
func (p *podCheck) cordon(how, zone string) {
	args := []string{how}
	for i := range nodesPerZone {
		args = append(args, node(zone, i))
	}
	p.must(played, "", args...)
}

// restart restarts the deployments, which spreads their pods.
func (p *podCheck) restart() error {
	const page, command = "docs/explanation/capacity-arithmetic.md", "kubectl rollout restart deployment"
	p.note(page, command)
	if !p.do(deployer, p.dir, strings.Replace(command, "kubectl", "kubectl --context "+played+" -n meridian", 1)+
		"\nkubectl --context "+played+" -n meridian rollout status deployment --timeout=5m") {
		return errors.New("the restart fails")
	}
	if err := p.settled(); err != nil {
		return err
	}
	p.even()
	return nil
}

// loseZone ends the nodes of a zone without a word, and waits until the others have its pods.
func (p *podCheck) loseZone() error {
	zone := p.zones[0]
	p.kill("kwok " + zone)
	p.watch.lose(zone)
	want := maps.Clone(p.promised(""))
	want["consul"] -= nodesPerZone
	return p.watch.until(p.t.Context(), patience, lacking(want))
}

// fixZone brings the nodes back.
func (p *podCheck) fixZone() error {
	zone := p.zones[0]
	p.startZone(zone, 0)
	p.await("the nodes of "+zone, patience, func() error {
		var nodes struct {
			Items []struct {
				Status struct {
					Conditions []struct{ Type, Status string }
				}
			}
		}
		p.read(played, &nodes, "nodes", "-l", "topology.kubernetes.io/zone="+zone)
		for _, n := range nodes.Items {
			if !slices.Contains(n.Status.Conditions, struct{ Type, Status string }{"Ready", "True"}) {
				return errors.New("one is not ready")
			}
		}
		return nil
	})
	p.watch.regain(zone)
	if err := p.watch.until(p.t.Context(), patience, lacking(p.promised(""))); err != nil {
		return err
	}
	p.watch.begin()
	return p.restart()
}

// scale has some parts run at least so many pods, by an overlay on the site's.
func (p *podCheck) scale(pods int, parts ...string) error {
	text := "resources: [../../site/" + played + "]\npatches:\n"
	for _, part := range parts {
		text += fmt.Sprintf("  - target: {kind: HorizontalPodAutoscaler, name: %s}\n    patch: '- {op: replace, path: /spec/minReplicas, value: %d}'\n", part, pods)
	}
	p.write(filepath.Join(p.dir, "busy", played), []deploy.File{{Path: "kustomization.yaml", Content: []byte(text)}})
	if !p.do(deployer, p.dir, "kubectl --context "+played+" apply --server-side -k busy/"+played) {
		return errors.New("the overlay is refused")
	}
	return nil
}

// growWithoutAZone wants more edges to run where there is room, though one zone takes none.
func (p *podCheck) growWithoutAZone() error {
	p.cordon("cordon", p.zones[0])
	defer p.cordon("uncordon", p.zones[0])
	want := maps.Clone(p.promised(""))
	want["edge"] += want["edge"] / 2
	p.writeSite("site", p.version)
	if err := p.scale(want["edge"], "edge"); err != nil {
		return err
	}
	return p.watch.until(p.t.Context(), patience, lacking(want))
}

// spike asks for as many edges and checkouts as the autoscaler may, which the nodes do not have room for.
func (p *podCheck) spike() error {
	var edges struct{ Spec struct{ MaxReplicas int } }
	p.read(played, &edges, "horizontalpodautoscaler/edge", "-n", namespace)
	most := edges.Spec.MaxReplicas
	p.writeSite("site", p.version)
	if err := p.scale(most, "edge", "checkout"); err != nil {
		return err
	}
	waiting := 0
	err := p.watch.until(p.t.Context(), patience, func(s state) string {
		there := map[string]int{}
		waiting = 0
		for _, pod := range s.pods {
			switch {
			case pod.Metadata.DeletionTimestamp != nil:
			case pod.is("Ready", "True"):
				there[pod.part()]++
			case pod.is("PodScheduled", "False"):
				there[pod.part()]++
				waiting++
			}
		}
		if there["edge"] < most || there["checkout"] < most {
			return fmt.Sprintf("%d edges and %d checkouts are ready, or wait for room", there["edge"], there["checkout"])
		}
		return ""
	})
	if err == nil && waiting == 0 {
		return errors.New("all pods found room: the spike tries nothing")
	}
	return err
}
