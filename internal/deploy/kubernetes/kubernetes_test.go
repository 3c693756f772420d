package kubernetes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

// The kinds of mistake that each check finds.
const (
	byBuild  = "kustomize"
	bySchema = "kubeconform"
	byScore  = "kube-score"
	byRules  = "rules"
	byFolder = "folders"
)

// exceptions are the rules of kube-score that the manifests break, and why.
func exceptions() map[string]string {
	return map[string]string{
		"container-image-pull-policy":         "images are pinned, and a region must start pods while the registry is lost",
		"deployment-has-host-podantiaffinity": "topologySpreadConstraints spread pods over zones and nodes, and also when there are more pods than nodes",
	}
}

// TestRegions checks the committed overlay of every region, and those of a catalog with a fourth one.
func TestRegions(t *testing.T) {
	t.Parallel()
	for name, text := range map[string][]byte{"as committed": regions.DefaultYAML(), "a fourth region": deploytest.FourRegions(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := deploytest.Copy(t, "deploy/k8s")
			w := worldOf(t, root, text)
			if name != "as committed" {
				files, err := Render(w.catalog)
				if err != nil {
					t.Fatal(err)
				}
				if err := deploy.Write(root, files); err != nil {
					t.Fatal(err)
				}
			}
			for _, found := range check(t, root, w, "", w.catalog.Names()...) {
				t.Error(found)
			}
		})
	}
}

// TestMistakesAreFound plants mistakes in a copy and wants each to be found by the check that is for it.
func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	const base, eu, cluster = "deploy/k8s/base/", "deploy/k8s/regions/eu-west-1/", "deploy/k8s/cluster/"
	for _, tc := range []struct{ name, file, old, with, by, says string }{
		{"misspelled field", base + "pod.yaml", "readinessProbe:", "readynessProbe:", bySchema, "readynessProbe"},
		{"misspelled field of an operator's resource", base + "monitoring.yaml", "podTargetLabels", "podTargetLabel", bySchema, "podTargetLabel"},
		{"misspelled field of a secret", base + "secrets.yaml", "template: {type:", "template: {kind:", bySchema, "kind"},
		{"misspelled field of a kustomization", eu + "kustomization.yaml", "includeTemplates", "includeTemplate", byBuild, "includeTemplate"},
		{"wrong type", eu + "autoscaling.yaml", "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: edge}\n  minReplicas: 6", "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: edge}\n  minReplicas: four", bySchema, "minReplicas"},
		{"root", base + "pod.yaml", "runAsUser: 65532\n            runAsGroup", "runAsUser: 0\n            runAsGroup", byScore, "low user ID"},
		{"writable root", base + "pod.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", byScore, "writable root filesystem"},
		{"no probes", base + "pod.yaml", "readinessProbe:", "lifecycle:\n            preStop:", byScore, "readinessProbe"},
		{"no memory limit", base + "worker.yaml", "            limits: {memory: 256Mi, ephemeral-storage: 512Mi}", "", byScore, "Memory limit is not set"},
		{"no budget for disruption", base + "checkout.yaml", "maxUnavailable: 10% # rounded up\n  unhealthyPodEvictionPolicy: AlwaysAllow\n  selector:\n    matchLabels: {app.kubernetes.io/name: meridian, app.kubernetes.io/component: checkout}", "maxUnavailable: 10%\n  selector:\n    matchLabels: {app.kubernetes.io/name: other}", byScore, "PodDisruptionBudget"},
		{"admin port open to the world", base + "network.yaml", "ports: [{port: 8443}]", "ports: [{port: 8443}, {port: 9090}]", byRules, "open to the world"},
		{"database open to the world", base + "network.yaml", "    - to: # database, Redis\n        - ipBlock: {cidr: 10.0.0.0/8}", "    - to:\n        - ipBlock: {cidr: 0.0.0.0/0}", byRules, "open to the world"},
		{"the Kubernetes API open to workers", base + "network.yaml", "169.254.0.0/16, 172.16.0.0/12, ", "169.254.0.0/16, ", byRules, "reaches 172.16.0.0/12"},
		{"Kafka in the cluster out of reach", base + "network.yaml", "kubernetes.io/metadata.name: kafka", "kubernetes.io/metadata.name: queue", byRules, "no way to a Kafka"},
		{"a lost zone is waited for", base + "pod.yaml", "unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30", "unreachable, operator: Exists, effect: NoExecute", byRules, "half a minute"},
		{"a zone holds up the others", base + "pod.yaml", "whenUnsatisfiable: ScheduleAnyway # a zone", "whenUnsatisfiable: DoNotSchedule # a zone", byRules, "holds up the others"},
		{"what is scaled up ends others", cluster + "priorities.yaml", "preemptionPolicy: Never # in a spike", "preemptionPolicy: PreemptLowerPriority #", byRules, "pushes others out"},
		{"any pod is admitted", cluster + "namespace.yaml", "enforce: restricted", "enforce: baseline", byRules, "admits any pod"},
		{"a deployer may do anything", cluster + "deployer.yaml", "resources: [deployments, daemonsets]", "resources: [\"*\"]", byRules, "names not what"},
		{"a priority that is none", base + "worker.yaml", "priorityClassName: meridian-background", "priorityClassName: meridian-late", byRules, "no priority class meridian-late"},
		{"a field that a second apply conflicts with", base + "pod.yaml", "fieldRef: {apiVersion: v1, fieldPath: metadata.name}", "fieldRef: {fieldPath: metadata.name}", byRules, "does not say its version"},
		{"every port open", base + "network.yaml", "ports: [{port: 8443}]", "", byRules, "every port"},
		{"no default", base + "network.yaml", "name: nothing\nspec:\n  podSelector: {}", "name: nothing\nspec:\n  podSelector: {matchLabels: {a: b}}", byRules, "denies everything else"},
		{"key that is none", base + "settings.env", "MERIDIAN_LOG_FORMAT", "MERIDIAN_LOG_FROMAT", byRules, "MERIDIAN_LOG_FROMAT"},
		{"flag that is none", base + "worker.yaml", "--target=", "--targets=", byRules, "no command line"},
		{"module that nobody runs", base + "checkout.yaml", "cart,order", "cart", byRules, "module order"},
		{"value of the wrong type", base + "edge.yaml", "value: 45s", "value: soon", byRules, "CONFIG_INVALID"},
		{"port that nobody listens on", base + "edge.yaml", `"$(POD_IP):8443"`, `"$(POD_IP):8080"`, byRules, "8080"},
		{"port that is none", base + "edge.yaml", "targetPort: https", "targetPort: http", byRules, `no port "http"`},
		{"service links", base + "pod.yaml", "enableServiceLinks: false", "enableServiceLinks: true", byRules, "service links"},
		{"killed while draining", base + "edge.yaml", "terminationGracePeriodSeconds: 90", "terminationGracePeriodSeconds: 60", byRules, "killed after 60 s"},
		{"secret that is not fetched", base + "browse.yaml", "secretKeyRef: {name: database, key: url}", "secretKeyRef: {name: database, key: uri}", byRules, "uri of database"},
		{"public keys that are not made", base + "secrets.yaml", "jwks.json: |", "keys.json: |", byRules, "jwks.json is in no mounted secret"},
		{"edge that could sign tokens", base + "edge.yaml", "secretName: public-keys", "secretName: keys", byRules, "signs none"},
		{"metric that is none", "deploy/k8s/regions/eu-west-1/autoscaling.yaml", "name: meridian_edge_requests_in_flight", "name: meridian_edge_request_in_flight", byRules, "no process exposes"},
		{"metric that is not served", "deploy/k8s/prometheus-adapter/config.yaml", "'meridian_edge_requests_in_flight", "'meridian_edge_requests_in_fligth", byRules, "meridian_edge_requests_in_fligth"},
		{"two opinions of full", base + "browse.yaml", `value: "48"`, `value: "480"`, byRules, "full at 480"},
		{"one zone", base + "pod.yaml", "topology.kubernetes.io/zone", "topology.kubernetes.io/rack", byRules, "want zones"},
		{"wrong region", eu + "settings.env", "MERIDIAN_REGION=eu-west-1", "MERIDIAN_REGION=us-east-1", byRules, "want \"eu-west-1\""},
		{"Consul in clear text", eu + "settings.env", "us-east-1=https://", "us-east-1=", byRules, "us-east-1 in clear text"},
		{"Consul behind a closed port", base + "network.yaml", "{port: 6379}, {port: 8501}", "{port: 6379}", byRules, "at port 8501"},
		{"edge whose health Consul cannot ask for", base + "network.yaml", "ports: [{port: 8443}]\n    - from: # Consul's check\n        - podSelector: {matchLabels: {app.kubernetes.io/name: consul}}\n      ports: [{port: 9090}]", "ports: [{port: 8443}]", byRules, "Deployment edge: no NetworkPolicy lets Consul ask"},
		{"edge that believes no Consul", base + "edge.yaml", "consul/ca.pem", "consul/ca.crt", byRules, "consul/ca.crt\", is in no mounted secret"},
		{"edge that could join Consul", base + "edge.yaml", "secretName: consul-ca", "secretName: consul-agent", byRules, "Consul's gossip"},
		{"edge that does not know a region", eu + "settings.env", ",ap-southeast-1=", "#", byRules, "the edge knows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			planted(t, tc.file, tc.old, tc.with, tc.by, tc.says)
		})
	}
	t.Run("lost region", func(t *testing.T) {
		t.Parallel()
		root := deploytest.Copy(t, "deploy/k8s")
		if err := os.RemoveAll(filepath.Join(root, folder, "us-east-1")); err != nil {
			t.Fatal(err)
		}
		expect(t, check(t, root, worldOf(t, root, regions.DefaultYAML()), byFolder), byFolder, "us-east-1")
	})
}

// planted wants a mistake in a file to be found by a check, in words that hold says.
func planted(t *testing.T, file, old, with, by, says string) {
	t.Helper()
	root := deploytest.Copy(t, "deploy/k8s")
	deploytest.Replace(t, filepath.Join(root, file), old, with)
	expect(t, check(t, root, worldOf(t, root, regions.DefaultYAML()), by, "eu-west-1"), by, says)
}

func expect(t *testing.T, found []string, by, says string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, by+": ") && strings.Contains(f, says) }) {
		t.Errorf("%s says nothing of %q; found: %q", by, says, found)
	}
}

func worldOf(t *testing.T, root string, catalog []byte) world {
	t.Helper()
	w := world{catalogFile: filepath.Join(root, "regions.yaml"), metrics: exposed(t), adapted: map[string]bool{}}
	if err := os.WriteFile(w.catalogFile, catalog, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.catalog, err = regions.Parse(catalog); err != nil {
		t.Fatal(err)
	}
	for name := range adapted(t, root) {
		w.adapted[name] = true
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy/k8s/cluster/priorities.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range parse(t, string(text)) {
		w.priorities = append(w.priorities, o.Metadata.Name)
	}
	if text, err = os.ReadFile(filepath.Join(root, "deploy/k8s/cluster/prometheus.yaml")); err != nil {
		t.Fatal(err)
	}
	w.rights = parse(t, string(text))
	return w
}

// check returns what the tools and the rules, or only one of them, find in some regions' overlays, and in the folder
// of all of them.
func check(t *testing.T, root string, w world, only string, names ...regions.Name) []string {
	t.Helper()
	out := checkFolders(t, root, w.catalog)
	for name := range w.adapted {
		if !w.metrics[name] {
			out = append(out, byRules+": no process exposes "+name+", which prometheus-adapter reads")
		}
	}
	if len(names) > 0 {
		out = append(out, checkOverlay(t, filepath.Join(root, "deploy/k8s/cluster"), only, clusterFindings)...)
	}
	for _, name := range names {
		overlay := filepath.Join(root, folder, string(name))
		out = append(out, checkOverlay(t, overlay, only, func(objects []object) []string { return findings(objects, name, w) })...)
	}
	return out
}

// checkOverlay builds one overlay and returns what is found in it.
func checkOverlay(t *testing.T, overlay, only string, rules func([]object) []string) []string {
	t.Helper()
	text, err := deploytest.Run(t.Context(), overlay, deploytest.Tool(t, "kustomize"), "build", ".")
	if err != nil {
		return []string{byBuild + ": " + text}
	}
	file := filepath.Join(t.TempDir(), "built.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	objects := parse(t, text)
	var out []string
	for by, find := range map[string]func() []string{
		bySchema: func() []string { return conform(t, file) },
		byScore:  func() []string { return score(t, file) },
		byRules:  func() []string { return rules(objects) },
	} {
		if only != "" && only != by {
			continue
		}
		for _, f := range find() {
			out = append(out, by+": "+f)
		}
	}
	return out
}

// conform holds objects to their schemas. A kind without one is an error.
func conform(t *testing.T, file string) []string {
	t.Helper()
	told, err := deploytest.Run(t.Context(), "", deploytest.Tool(t, "kubeconform"), "-strict", "-schema-location", schemas(t)+schemaLayout, file)
	if err != nil {
		return []string{told}
	}
	return nil
}

// score holds objects to what kube-score recommends.
func score(t *testing.T, file string) []string {
	t.Helper()
	args := []string{
		"score", "--output-format=ci", "--exit-one-on-warning", "--kubernetes-version=v1.33",
		"--ignore-container-cpu-limit", // throttling would cost latency where the node has processors to spare
	}
	for _, test := range slices.Sorted(maps.Keys(exceptions())) {
		args = append(args, "--ignore-test="+test)
	}
	told, err := deploytest.Run(t.Context(), "", deploytest.Tool(t, "kube-score"), append(args, file)...)
	if err != nil {
		return []string{unpassed(told)}
	}
	return nil
}

// unpassed drops from kube-score's lines what is well.
func unpassed(lines string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(lines, "\n"), func(l string) bool {
		return l == "" || strings.HasPrefix(l, "[OK]") || strings.HasPrefix(l, "[SKIPPED]")
	}), "\n")
}

// checkFolders wants an overlay for each region, and none besides.
func checkFolders(t *testing.T, root string, catalog *regions.Set) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	var got, out []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := sorted(catalog); !slices.Equal(got, want) {
		out = append(out, fmt.Sprintf("%s: there are overlays for %v, want %v", byFolder, got, want))
	}
	return out
}

// TestSite checks an overlay as a site builds it: images, a setting, TLS between edges and stacks, and the logins of Redis and Kafka.
func TestSite(t *testing.T) {
	t.Parallel()
	root := deploytest.Copy(t, "deploy/k8s")
	w := worldOf(t, root, regions.DefaultYAML())
	text := site(t)
	overlay := filepath.Join(root, "deploy/k8s/site/eu-west-1")
	if err := deploy.Write(overlay, []deploy.File{{Path: "kustomization.yaml", Content: []byte(text)}}); err != nil {
		t.Fatal(err)
	}
	for _, found := range checkOverlay(t, overlay, "", func(objects []object) []string {
		out := findings(objects, "eu-west-1", w)
		for _, o := range objects {
			for _, c := range o.Spec.Template.Spec.Containers {
				if !strings.Contains(c.Image, "YOUR-REGISTRY") {
					out = append(out, "the image is "+c.Image)
				}
			}
			p, name := o.Spec.Template.Spec, o.Metadata.Name
			if o.Kind == "Deployment" && name != "worker" && !mounted(p, "/etc/meridian/peer/tls.crt", objects) {
				out = append(out, name+" has no certificate for its peers")
			}
			if o.Kind == "Deployment" && name == "worker" && !mounted(p, "/etc/meridian/kafka/password", objects) {
				out = append(out, name+" has no password of Kafka's")
			}
			if o.isProduct() && !mounted(p, "/etc/meridian/redis/password", objects) {
				out = append(out, name+" has no password of Redis's")
			}
		}
		return out
	}) {
		t.Error(found)
	}
}

// site returns the overlay that the documentation shows, with its paths as they are in this repository.
func site(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(deploytest.Root(t) + "/docs/how-to/deploy-to-kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	return strings.ReplaceAll(strings.ReplaceAll("\n"+text, "\n   ", "\n"), "../../meridian/deploy/k8s/", "../../")
}

// TestJobs checks the jobs that are no part of a region.
func TestJobs(t *testing.T) {
	t.Parallel()
	root := deploytest.Copy(t, "deploy/k8s")
	w := worldOf(t, root, regions.DefaultYAML())
	for _, job := range []string{"migrate", "audit"} {
		for _, found := range checkOverlay(t, root+"/deploy/k8s/"+job, "", func(objects []object) []string {
			var out []string
			for _, o := range objects {
				out = slices.Concat(out, checkProduct(o, objects, "", w), checkPod(o, w), checkPolicy(o))
				if job == "migrate" { // the audit's secret is the region's
					out = slices.Concat(out, checkSecrets(o, objects))
				}
			}
			return out
		}) {
			t.Error(found)
		}
	}
	if text, err := deploytest.Run(t.Context(), root+"/deploy/k8s/prometheus-adapter", deploytest.Tool(t, "kustomize"), "build", "."); err != nil {
		t.Error(text)
	}
}

// TestConsulAgent has Consul itself read what its agents are told.
func TestConsulAgent(t *testing.T) {
	t.Parallel()
	consul := deploytest.Tool(t, "consul")
	for _, name := range regions.Default().Names() {
		dir := t.TempDir()
		text, err := os.ReadFile(filepath.Join(deploytest.Root(t), folder, string(name), "agent.json"))
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{
			"agent.json":  string(text),
			"secret.json": `{"encrypt": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=", "acl": {"tokens": {"agent": "t"}}}`, // as base/secrets.yaml
			"rest.json":   `{"data_dir": "/consul/data", "bind_addr": "127.0.0.1"}`,                                         // as base/consul.yaml
		} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if told, err := deploytest.Run(t.Context(), dir, consul, "validate", dir); err != nil || strings.Contains(told, "rror") {
			t.Errorf("%s: %v: %s", name, err, told)
		}
	}
}

// exposed returns the metrics of an edge and a stack that the autoscalers may read.
func exposed(t *testing.T) map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	if _, err := telemetry.NewRPCMetrics(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := edge.New(edge.Config{Regions: regions.Default(), Region: "eu-west-1"}, edge.Deps{Tokens: nobody{}, Metrics: registry}); err != nil {
		t.Fatal(err)
	}
	described := make(chan *prometheus.Desc)
	go func() { registry.Describe(described); close(described) }()
	out := map[string]bool{}
	for d := range described {
		if m := regexp.MustCompile(`fqName: "([a-z_]+)"`).FindStringSubmatch(d.String()); m != nil {
			out[m[1]] = true
		}
	}
	return out
}

type nobody struct{}

// Verify implements edge.TokenVerifier.
func (nobody) Verify(string) (edge.Claims, error) { return edge.Claims{}, os.ErrInvalid }

// adapted returns the series that prometheus-adapter is told to serve.
func adapted(t *testing.T, root string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/k8s/prometheus-adapter/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Rules []struct {
			Series    string `yaml:"seriesQuery"`
			Resources struct {
				Overrides map[string]struct{ Resource string }
			}
			Query string `yaml:"metricsQuery"`
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, r := range file.Rules {
		if r.Resources.Overrides["pod"].Resource != "pod" || !strings.Contains(r.Query, "<<.LabelMatchers>>") {
			t.Errorf("%s is not served by pod", r.Series)
		}
		name, _, _ := strings.Cut(r.Series, "{")
		out[name] = true
	}
	return out
}
