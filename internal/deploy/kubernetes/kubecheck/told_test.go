package kubecheck

import (
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// told is a kubectl command of a page: the stage that runs it, or why none does.
type told struct{ page, command, stage, why string }

// Pages that tell commands.
const (
	deployPage  = "docs/how-to/deploy-to-kubernetes.md"
	rolloutPage = "docs/how-to/roll-out-a-version.md"
	drainPage   = "docs/how-to/drain-a-region.md"
	awsPage     = "terraform/README.md"
	cliPage     = "docs/reference/cli.md"

	observePage   = "docs/how-to/observe.md"
	telemetryPage = "docs/runbooks/telemetry-lost.md"
)

// unplayed is why nothing asks Prometheus.
const unplayed = "the operator that makes the pods of Prometheus does not run"

// Stages.
const (
	apiStage = "api"
	podStage = "pods"
)

// toldCommands are the kubectl commands of all pages. One that is not here fails the check.
func toldCommands() []told {
	return []told{
		{deployPage, "kubectl --context eu-west-1 apply --server-side -k meridian/deploy/k8s/cluster", podStage, ""},
		{deployPage, "kubectl --context eu-west-1 apply --server-side -k site/eu-west-1", podStage, ""},
		{deployPage, "kubectl --context eu-west-1 apply --server-side -k site/migrate", podStage, ""},
		{deployPage, "kubectl --context eu-west-1 -n meridian wait --for=condition=complete --timeout=1h job/migrate", podStage, ""},
		{deployPage, "kubectl --context eu-west-1 apply --server-side -k site/audit", podStage, ""},

		{rolloutPage, "kubectl --context eu-west-1 -n meridian delete job migrate --ignore-not-found", podStage, ""},
		{rolloutPage, "kubectl --context eu-west-1 apply --server-side -k site/migrate", podStage, ""},
		{rolloutPage, "kubectl --context eu-west-1 -n meridian wait --for=condition=complete --timeout=1h job/migrate", podStage, ""},
		{rolloutPage, "kubectl --context {region} apply --server-side -k site/{region}", podStage, ""},
		{rolloutPage, "kubectl --context {region} apply --server-side -k site-before/{region}", podStage, ""},
		{rolloutPage, "kubectl --context {region} -n meridian rollout status deployment,daemonset --timeout=15m", podStage, ""},
		{rolloutPage, "kubectl --context us-east-1 -n meridian port-forward svc/prometheus-operated 9091:9090", "", unplayed},
		{rolloutPage, "kubectl --context eu-west-1 -n meridian port-forward svc/prometheus-operated 9092:9090", "", unplayed},
		{rolloutPage, "kubectl --context ap-southeast-1 -n meridian port-forward svc/prometheus-operated 9093:9090", "", unplayed},
		{observePage, "kubectl --context eu-west-1 -n meridian port-forward svc/prometheus-operated 9090", "", unplayed},
		{telemetryPage, "kubectl --context eu-west-1 -n meridian get podmonitors,scrapeconfigs,networkpolicies", apiStage, ""},
		{telemetryPage, "kubectl --context eu-west-1 -n meridian logs prometheus-meridian-0 --container prometheus --tail 50", "", unplayed},
		{drainPage, "kubectl --context eu-west-1 -n meridian port-forward svc/consul 8500", "", "nothing listens in the pods of a node that is played"},
		{rolloutPage, "kubectl rollout status", "", "short for the command of the rollout above it, which is run"},
		{rolloutPage, "kubectl rollout undo", "", "what the page says not to do; a planted mistake does it"},
		{"docs/explanation/capacity-arithmetic.md", "kubectl rollout restart deployment", podStage, ""},

		{awsPage, `kubectl --context "$region" apply --server-side -k "deploy/k8s/site/$region-cluster"`, apiStage, ""},
		{awsPage, `kubectl --context "$region" apply --server-side -k "deploy/k8s/site/$region"`, apiStage, ""},
		{awsPage, "kubectl --context us-east-1 -n meridian delete job migrate --ignore-not-found", apiStage, ""},
		{awsPage, "kubectl --context us-east-1 apply --server-side -k deploy/k8s/site/migrate", apiStage, ""},
		{awsPage, "kubectl --context us-east-1 apply --server-side -k deploy/k8s/site/audit", apiStage, ""},
		{awsPage, `kubectl --context "$region" delete -k "deploy/k8s/site/$region"`, apiStage, ""},
		{awsPage, `kubectl --context "$region" delete services,persistentvolumeclaims -A --field-selector metadata.namespace!=kube-system`, apiStage, ""},

		{awsPage, "kubectl --context ap-southeast-1 get nodes", "", "an upgrade of a cluster's nodes cannot be played"},
		{"README.md", "kubectl delete", "", "short for the commands of terraform/README.md, which are run"},
		{cliPage, "kubectl --context {region} apply --server-side -k site/{region}", "", "the example of the rollout's own help, which the how-to repeats"},
		{cliPage, "kubectl --context {region} apply --server-side -k site-before/{region}", "", "the example of the rollout's own help, which the how-to repeats"},
		{cliPage, "kubectl --context {region} -n meridian rollout status deployment,daemonset", "", "the example of the rollout's own help, which the how-to repeats"},
	}
}

// TestEveryCommandIsKnown wants each kubectl command of each page to be run by a stage, or to have a reason not to be.
func TestEveryCommandIsKnown(t *testing.T) {
	t.Parallel()
	for _, found := range untold(pages(t, deploytest.Root(t)), toldCommands()) {
		t.Error(found)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	page := "Text with `kubectl get pods`, and `kubectl`.\n\n" +
		"   ```\n   # kubectl in a comment\n   kubectl apply -k \"a;b\"   # once\n   x rollout --exec 'kubectl a {r} &&\n      kubectl b' \\\n     --back 'kubectl c'\n   ```\n" +
		"```yaml\na: b\n```\n\nNo `kubect get`.\n"
	var got []string
	for _, c := range commands("p.md", page) {
		got = append(got, c.text)
		if (c.in == "") != (c.text == "kubectl get pods") || strings.HasPrefix(c.in, " ") {
			t.Errorf("%s is in the block %q", c.text, c.in)
		}
	}
	want := `kubectl apply -k "a;b", kubectl a {r}, kubectl b, kubectl c, kubectl get pods`
	if strings.Join(got, ", ") != want {
		t.Errorf("found %q, want %s", got, want)
	}
	known := []told{{page: "p.md", command: `kubectl apply -k "a;b"`, stage: apiStage}, {page: "p.md", command: "kubectl gone", why: "it is"}}
	for _, says := range []string{"`kubectl b`, which the check does not know", "no longer tells `kubectl gone`"} {
		if found := strings.Join(untold(map[string]string{"p.md": page}, known), "\n"); !strings.Contains(found, says) {
			t.Errorf("nothing says %q: %s", says, found)
		}
	}
}
