package kubecheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// asked returns what `make kube-check` asks for, and skips the test without it: a control plane takes a gigabyte and minutes.
func asked(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Skip("`make kube-check` runs it")
	}
	return value
}

// TestAPI applies everything to API servers.
func TestAPI(t *testing.T) { //nolint:paralleltest // it prints how long it takes
	if stage := asked(t, "KUBE_STAGE"); stage != apiStage && stage != "all" {
		t.Skip("another stage is asked for")
	}
	began := time.Now()
	c := newCheck(t, nil)
	var names []string
	for _, n := range c.catalog.Names() {
		names = append(names, string(n))
	}
	c.checkAPI(names...)
	c.report()
	t.Logf("%s: %.0f s, %d of %d commands of pages run", apiStage, time.Since(began).Seconds(), len(c.ran), len(toldCommands()))
}

// TestPods deploys a region to nodes that are played, and has things happen to it.
func TestPods(t *testing.T) { //nolint:paralleltest // what it measures should not share the machine
	if stage := asked(t, "KUBE_STAGE"); stage != podStage && stage != "all" {
		t.Skip("another stage is asked for")
	}
	began := time.Now()
	c := newCheck(t, nil)
	c.checkPods()
	c.report()
	t.Logf("%s: %.0f s, %d of %d commands of pages run", podStage, time.Since(began).Seconds(), len(c.ran), len(toldCommands()))
}

func (c *check) report() {
	for _, found := range c.found {
		c.t.Error(found)
	}
}

// plant is a mistake: what it changes in the repository, and what must be found of it, by which stage or exercise.
type plant struct {
	name, file, old, with string
	in                    string // apiStage, or the exercise; "" is the deployment of the pods
	says                  string
}

func plants() []plant {
	const base, clusterWide = "deploy/k8s/base/", "deploy/k8s/cluster/"
	return []plant{
		{"unknown-command", deployPage, "With `--server-side`", "`kubectl get all` tells. With `--server-side`", "", "which the check does not know"},
		{"lacking-right", clusterWide + "deployer.yaml", "resources: [deployments, daemonsets]", "resources: [deployments]", apiStage, "daemonsets.apps"},
		{"right-too-many", clusterWide + "deployer.yaml", "resources: [configmaps, services, serviceaccounts]", "resources: [configmaps, secrets, services, serviceaccounts]", apiStage, "may get secrets"},
		{"account-with-rights", clusterWide + "deployer.yaml", "name: meridian-deployers}", "name: meridian-deployers}\n  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: \"system:serviceaccounts:meridian\"}", apiStage, "may do what others may not"},
		{"account-without-rights", "deploy/k8s/regions/us-east-1/agent.json", `["consul.us-east-1.meridian.internal"]`, `["provider=k8s"]`, apiStage, "consul list pods"},
		{"unconfined", base + "pod.yaml", "seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}", apiStage, "would violate PodSecurity"},
		{"second-apply-conflicts", base + "edge.yaml", "spec:\n  selector:\n    matchLabels: *labels", "spec:\n  replicas: 6\n  selector:\n    matchLabels: *labels", apiStage, "conflict"},
		{"job-is-kept", awsPage, "kubectl --context us-east-1 -n meridian delete job migrate --ignore-not-found ", ": ", apiStage, "field is immutable"},
		{"all-with-selector", awsPage, "delete services,persistentvolumeclaims -A --field-selector", "delete services,persistentvolumeclaims -A --all --field-selector", apiStage, "non empty selector"},
		{"wait-for-nothing", deployPage, "job/migrate\n   kubectl", "job/migration\n   kubectl", "", `"migration" not found`},
		{"no-such-priority", clusterWide + "priorities.yaml", "name: meridian-browse", "name: meridian-late", "", "0 of 6 browse"},
		{"too-few", "deploy/k8s/regions/eu-west-1/autoscaling.yaml", "name: edge}\n  minReplicas: 6", "name: edge}\n  minReplicas: 4", "", "4 of 6 edge"},
		{"token-in-pods", base + "pod.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "", "has a token"},
		{"budget-for-nobody", base + "edge.yaml", "maxUnavailable: 10% # rounded up", "maxUnavailable: 0", "", "let 0 of edge's"},
		{"ends-before-it-starts", base + "pod.yaml", "maxUnavailable: 0", "maxUnavailable: 50%", rollsOut, "pods of edge were ready at the worst"},
		{"undo", rolloutPage, "kubectl --context {region} apply --server-side -k site-before/{region}", "kubectl --context {region} -n meridian rollout undo deployment", rollsBack, "/consul:b-"},
		{"budget-for-all", base + "edge.yaml", "maxUnavailable: 10% # rounded up", "maxUnavailable: 100%", drains, "pods of edge were ready at the worst"},
		{"waits-for-a-lost-zone", base + "pod.yaml", "unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30", "unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300", losesZone, "after " + patience.String()},
		{"one-zone-holds-up-others", base + "pod.yaml", "whenUnsatisfiable: ScheduleAnyway # a zone", "whenUnsatisfiable: DoNotSchedule # a zone", cannotGrow, "of 9 edge"},
		{"all-in-one-zone", "deploy/k8s/regions/eu-west-1/kustomization.yaml", "eu-west-1b, eu-west-1c, ", "", "", "a zone has 6 of the 6 pods of edge"},
		{"pushes-others-out", clusterWide + "priorities.yaml", "preemptionPolicy: Never # in a spike", "preemptionPolicy: PreemptLowerPriority # in a spike", spikes, "pods of browse were ready at the worst"},
	}
}

// TestPlants plants one mistake after the other, and wants each to be found by what is for it.
func TestPlants(t *testing.T) { //nolint:paralleltest // one control plane at a time
	wanted := asked(t, "KUBE_PLANT")
	names := []string{"all"}
	for _, p := range plants() {
		names = append(names, p.name)
	}
	if !slices.Contains(names, wanted) {
		t.Fatalf("there is no plant %q; there are %v", wanted, names)
	}
	for _, p := range plants() {
		if wanted != "all" && wanted != p.name {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			c := newCheck(t, func(root string) { deploytest.Replace(t, filepath.Join(root, p.file), p.old, p.with) })
			switch p.in {
			case apiStage:
				c.checkAPI("us-east-1") // which terraform's readme names
			case "":
				c.checkPods("none")
			default:
				c.checkPods(p.in)
			}
			for line := range strings.Lines(strings.Join(c.found, "\n")) {
				if strings.Contains(line, p.says) {
					t.Log("found: " + strings.TrimSpace(line))
					return
				}
			}
			t.Errorf("nothing says %q; found: %q", p.says, c.found)
		})
	}
}

// TestPlantsFit wants each planted mistake to be one that can be made in the repository as it is.
func TestPlantsFit(t *testing.T) {
	t.Parallel()
	for _, p := range plants() {
		text, err := os.ReadFile(filepath.Join(deploytest.Root(t), p.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), p.old); n != 1 {
			t.Errorf("%s: %s holds %q %d times", p.name, p.file, p.old, n)
		}
	}
}
