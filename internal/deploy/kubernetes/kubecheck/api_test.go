package kubecheck

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// checkAPI applies what the pages say to an API server of each of some regions. Nothing makes pods of it.
func (c *check) checkAPI(names ...string) {
	c.writeStubs(names)
	c.plane = startPlane(c.t, filepath.Join(c.dir, "stubs"), names...)
	for _, region := range names {
		c.prepare(region)
	}
	c.guards(names[0])
	c.aws(names)
	for _, region := range names {
		c.site(region)
	}
	c.permissions(names[0])
	c.deployerMayNot(names[0])
	c.unrun(apiStage)
}

// aws follows terraform's readme: the stacks of every region, and their end.
func (c *check) aws(names []string) {
	c.writeOverlays(names)
	apply := c.script(awsPage, "$region-cluster")
	if !c.do(admin, c.root, apply) {
		return
	}
	c.unchanged(names, "terraform's overlays", func() { c.do(admin, c.root, apply) }, "Job/migrate") // it is made anew
	// Another version's job cannot become of one that ran.
	c.write(filepath.Join(c.root, "deploy/k8s/site/migrate"), []deploy.File{{Path: "kustomization.yaml", Content: fmt.Appendf(nil,
		"namespace: meridian\nresources: [../../migrate]\nimages: [{name: meridian, newName: registry.example.com/meridian, digest: %q}]\n", digest(secondVersion))}})
	c.do(admin, c.root, apply)
	c.do(admin, c.root, c.script(awsPage, "delete services,persistentvolumeclaims"))
	for _, region := range names {
		for name := range c.objects(region) {
			if strings.HasPrefix(name, "Deployment/") || strings.HasPrefix(name, "Service/") {
				c.finding("%s is still in %s after terraform's readme ended it", name, region)
			}
		}
		c.must(region, "", "-n", namespace, "delete", "job,cronjob,networkpolicy,serviceaccount,configmap,externalsecret", "--all")
	}
}

// writeOverlays writes what terraform puts out, or the how-to's overlays where there is no terraform.
func (c *check) writeOverlays(names []string) {
	c.t.Helper()
	site := filepath.Join(c.root, "deploy/k8s/site")
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		fmt.Fprintln(c.out, "terraform is not in PATH: the commands of its readme are run on the overlays of the how-to")
		for _, name := range append(slices.Clone(names), "migrate", "audit") {
			text, err := os.ReadFile(filepath.Join(c.dir, "site", name, "kustomization.yaml"))
			if err != nil {
				c.t.Fatal(err)
			}
			c.write(site, []deploy.File{
				{Path: name + "/kustomization.yaml", Content: []byte(strings.ReplaceAll(string(text), "../../meridian/deploy/k8s/", "../../"))},
				{Path: name + "-cluster/kustomization.yaml", Content: []byte("resources: [../../cluster]\n")},
			})
		}
		return
	}
	zones := map[string][]string{}
	for _, region := range names {
		zones[region] = zonesOf(c.catalog, region)
	}
	variables, err := json.Marshal(map[string]any{"zones": zones})
	if err != nil {
		c.t.Fatal(err)
	}
	main, err := os.ReadFile("testdata/overlays.tf")
	if err != nil {
		c.t.Fatal(err)
	}
	dir := filepath.Join(c.root, "terraform")
	c.write(dir, []deploy.File{{Path: "main.tf", Content: main}, {Path: "terraform.tfvars.json", Content: variables}})
	for _, args := range [][]string{{"init", "-input=false"}, {"apply", "-auto-approve", "-input=false"}} {
		if out, err := deploytest.Run(c.t.Context(), dir, terraform, args...); err != nil {
			c.t.Fatalf("terraform %v: %v\n%s", args, err, out)
		}
	}
	output := exec.CommandContext(c.t.Context(), terraform, "output", "-json", "overlays")
	output.Dir = dir
	text, err := output.Output() // what it warns of is not JSON
	var overlays map[string]map[string]string
	if err == nil {
		err = json.Unmarshal(text, &overlays)
	}
	if err != nil {
		c.t.Fatalf("terraform output: %v\n%s", err, text)
	}
	for name, files := range overlays {
		for file, text := range files {
			c.write(site, []deploy.File{{Path: name + "/" + file, Content: []byte(text)}})
		}
	}
}

// site follows the how-to in one region, twice: where the overlay was applied without --server-side before, and where the
// autoscaler and a restart have changed what they may.
func (c *check) site(region string) {
	in := func(script string) string { return strings.ReplaceAll(script, "eu-west-1", region) }
	if !c.do(admin, c.dir, in(c.script(deployPage, "-k meridian/deploy/k8s/cluster"))) {
		return
	}
	kubectl := "kubectl --context " + region + " "
	c.do(deployer, c.dir, kubectl+"apply -k site/"+region)
	c.do(deployer, c.dir, kubectl+"apply --server-side --force-conflicts -k site/"+region)
	var lines []string
	for _, line := range logicalLines(c.script(deployPage, "-k site/migrate")) {
		if strings.Contains(line, " apply ") { // the others wait for pods
			lines = append(lines, in(line))
		}
	}
	apply := strings.Join(lines, "\n")
	if !c.do(deployer, c.dir, apply) {
		return
	}
	c.unchanged([]string{region}, "the how-to's overlays", func() { c.do(deployer, c.dir, apply) })
	c.do(deployer, c.dir, kubectl+"-n meridian rollout restart deployment")
	c.do(admin, c.dir, kubectl+"-n meridian scale deployment/edge --replicas=9")
	c.do(deployer, c.dir, apply)
	if out := c.must(region, "", "-n", namespace, "get", "deployment/edge", "-o", "jsonpath={.spec.replicas}"); out != "9" {
		c.finding("%s: applying made %s edges of the 9 that the autoscaler had", region, out)
	}
	if out, err := c.sh(c.t.Context(), deployer, c.dir, kubectl+"diff --server-side -k site/"+region); err != nil {
		c.finding("%s: what was applied differs from what runs: %v\n%s", region, err, out)
	}
	c.do(admin, c.dir, kubectl+"apply --server-side -k meridian/deploy/k8s/prometheus-adapter")
	for _, line := range logicalLines(c.script(telemetryPage, "podmonitors")) {
		if strings.Contains(line, " get ") { // the others ask what does not run
			c.do(deployer, c.dir, in(line))
		}
	}
}

// unchanged wants something to change no object, but for some.
func (c *check) unchanged(regions []string, what string, do func(), but ...string) {
	before := map[string]map[string]string{}
	for _, region := range regions {
		before[region] = c.objects(region)
	}
	do()
	for _, region := range regions {
		after := c.objects(region)
		for _, name := range slices.Sorted(maps.Keys(after)) {
			if before[region][name] != after[name] && !slices.Contains(but, name) {
				c.finding("%s: %s, applied again, changed %s", region, what, name)
			}
		}
	}
}

// applied are the kinds of what is applied.
const applied = "serviceaccounts,configmaps,services,deployments,daemonsets,jobs,cronjobs,horizontalpodautoscalers,poddisruptionbudgets," +
	"networkpolicies,externalsecrets,secretstores,podmonitors,prometheuses,prometheusrules,scrapeconfigs,targetgroupbindings,roles,rolebindings"

// objects returns the version of each object of the namespace, by kind and name.
func (c *check) objects(region string) map[string]string {
	c.t.Helper()
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct{ Name, ResourceVersion string }
		}
	}
	c.read(region, &list, applied, "-n", namespace)
	out := map[string]string{}
	for _, o := range list.Items {
		out[o.Kind+"/"+o.Metadata.Name] = o.Metadata.ResourceVersion
	}
	return out
}

// guards wants the API server to refuse what it should: without that, nothing of the rest would say much.
func (c *check) guards(region string) {
	c.t.Helper()
	c.must(region, "", "apply", "--server-side", "-k", filepath.Join(c.root, "deploy/k8s/cluster"))
	c.must(region, `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "guard", "namespace": "meridian"}}`, "create", "-f", "-")
	c.must(region, `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "guard"}}`, "create", "-f", "-")
	pod := `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "guard", "namespace": "meridian"},
		"spec": {"serviceAccountName": "guard", "hostNetwork": true, "containers": [{"name": "a", "image": "a"}]}}`
	c.refused("violates PodSecurity", region, pod, "create", "-f", "-")
	c.refused("is not allowed to modify labels", region, "", "label", "node", "guard", "node-restriction.kubernetes.io/a=b",
		"--as=system:node:guard", "--as-group=system:nodes")
	c.must(region, "", "delete", "node/guard")
	c.must(region, "", "delete", "-n", namespace, "serviceaccount/guard")
}

func (c *check) refused(because, region, stdin string, args ...string) {
	c.t.Helper()
	if _, err := c.kubectl(admin, region, stdin, args...); err == nil || !strings.Contains(err.Error(), because) {
		c.t.Fatalf("kubectl %s: %v, want it to be refused because it %s", strings.Join(args, " "), err, because)
	}
}

// permissions wants every service account to have what its pods ask Kubernetes for, and nothing else.
func (c *check) permissions(region string) {
	c.t.Helper()
	var accounts struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	c.read(region, &accounts, "serviceaccounts", "-n", namespace)
	if len(accounts.Items) < 6 {
		c.finding("there are only the service accounts %v", accounts.Items)
	}
	anyone := c.rights(region, "default", "anyone")
	for _, a := range accounts.Items {
		name := a.Metadata.Name
		needs := c.needs(region, name)
		for _, extra := range c.rights(region, namespace, name) {
			if !slices.Contains(anyone, extra) && !slices.Contains(needs, extra) {
				c.finding("the service account %s may do what others may not: %s", name, extra)
			}
		}
		for _, need := range needs {
			if out, err := c.kubectl(admin, region, "", append([]string{"auth", "can-i", "-n", namespace, "--as", account(namespace, name)}, strings.Fields(need)...)...); err != nil {
				c.finding("the pods of the service account %s %s: %s", name, need, strings.TrimSpace(out)+", it may not")
			}
		}
	}
}

func account(namespace, name string) string { return "system:serviceaccount:" + namespace + ":" + name }

// rights returns what a service account may do in its namespace: a verb and a resource each, or a path.
func (c *check) rights(region, namespace, name string) []string {
	c.t.Helper()
	review := fmt.Sprintf(`{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": %q}}`, namespace)
	text := c.must(region, review, "create", "-f", "-", "-o", "json", "--validate=false", "--as", account(namespace, name),
		"--as-group=system:serviceaccounts", "--as-group=system:serviceaccounts:"+namespace, "--as-group=system:authenticated")
	var answer struct {
		Status struct {
			ResourceRules, NonResourceRules []struct{ Verbs, Resources, ResourceNames, NonResourceURLs []string }
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for _, r := range slices.Concat(answer.Status.ResourceRules, answer.Status.NonResourceRules) {
		for _, verb := range r.Verbs {
			for _, what := range slices.Concat(r.Resources, r.NonResourceURLs) {
				out = append(out, strings.TrimSpace(verb+" "+what+" "+strings.Join(r.ResourceNames, " ")))
			}
		}
	}
	return out
}

// needs returns what the pods of a service account ask Kubernetes for. The product has no client of Kubernetes; Prometheus has one,
// by which it finds pods, and Consul's agents, which look for servers among pods if they are told to.
func (c *check) needs(region, name string) []string {
	c.t.Helper()
	switch name {
	case "prometheus":
		return []string{"get pods", "list pods", "watch pods"}
	case "consul":
	default:
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.root, "deploy/k8s/regions", region, "agent.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.Contains(string(text), "provider=k8s") {
		return []string{"list pods"}
	}
	return nil
}

// deployerMayNot wants the deployer's rights to end where the page says so.
func (c *check) deployerMayNot(region string) {
	for _, what := range []string{
		"get secrets -n meridian", "create pods -n meridian", "create pods --subresource=exec -n meridian", "create rolebindings -n meridian", "patch roles -n meridian",
		"patch namespaces/meridian", "patch priorityclasses", "patch deployments -n kube-system", "get pods -n monitoring", "get nodes",
	} {
		if out, err := c.kubectl(deployer, region, "", append([]string{"auth", "can-i"}, strings.Fields(what)...)...); err == nil {
			c.finding("a deployer may %s: %s", what, strings.TrimSpace(out))
		}
	}
}

// TestProductAsksKubernetesForNothing: no module that the product is made of is a client of Kubernetes.
func TestProductAsksKubernetesForNothing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "k8s.io/") {
		t.Error("go.mod names a module of Kubernetes: then the service accounts need rights, and the check must know which")
	}
}
