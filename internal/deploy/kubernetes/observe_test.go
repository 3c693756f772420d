package kubernetes

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/deploy/prometheus"
	"github.com/meridian-commerce/meridian/regions"
)

// unscraped lists the pods that no monitor selects, and why.
func unscraped() map[string]string {
	return map[string]string{"consul": "what concerns agents is told by their servers, and by the edges that ask them"}
}

// monitoring is the namespace of what a cluster has once, whoever runs in it.
const monitoring = "monitoring"

// operated returns the pods that the Prometheus operator makes, as it labels them.
func operated(objects []object) []object {
	var out []object
	for _, o := range objects {
		if o.Kind != "Prometheus" {
			continue
		}
		made := object{Kind: "StatefulSet"}
		made.Metadata.Name = "prometheus-" + o.Metadata.Name
		labels := map[string]string{}
		maps.Copy(labels, o.Spec.PodMetadata.Labels)
		labels["app.kubernetes.io/name"], labels["app.kubernetes.io/instance"] = "prometheus", o.Metadata.Name
		made.Spec.Template.Metadata.Labels = labels
		made.Spec.Template.Spec.Containers = []container{{Name: "prometheus", Ports: []containerPort{{Name: "web", Port: 9090}}}}
		out = append(out, made)
	}
	return out
}

// target is what Prometheus scrapes: a pod of the region, or every address of a name.
type target struct {
	monitor string
	labels  map[string]string // that its series get
	pod     object            // its Kind is "" where it is none of the overlay
	host    string
	port    int
}

func (t target) String() string {
	return fmt.Sprintf("%s%s:%d (%s)", t.pod.Metadata.Name, t.host, t.port, t.monitor)
}

// targets returns what the monitors and ScrapeConfigs of an overlay find, with the labels that they give it.
func targets(objects []object) []target {
	var out []target
	for _, m := range objects {
		switch m.Kind {
		case "PodMonitor":
			out = append(out, podsOf(m, objects)...)
		case "ScrapeConfig":
			for _, d := range m.Spec.DNS {
				for _, name := range d.Names {
					t := target{monitor: m.Metadata.Name, host: name, port: d.Port}
					t.labels = map[string]string{"job": m.Spec.JobName, "instance": "10.1.2.3"}
					relabel(t.labels, m.Spec.Relabelings)
					out = append(out, t)
				}
			}
		}
	}
	return out
}

func podsOf(m object, objects []object) []target {
	var means selector
	if err := m.Spec.Selector.Decode(&means); err != nil {
		return nil // checkPorts says so
	}
	var out []target
	for _, o := range objects {
		pod := o.Spec.Template
		if len(pod.Spec.Containers) == 0 || !means.matches(pod.Metadata.Labels) {
			continue
		}
		for _, e := range m.Spec.PodMetricsEndpoints {
			for _, p := range pod.Spec.Containers[0].Ports {
				if p.Name != e.Port {
					continue
				}
				labels := map[string]string{"job": "meridian/" + m.Metadata.Name, "__meta_kubernetes_pod_name": o.Metadata.Name + "-0"}
				for name, value := range pod.Metadata.Labels {
					labels["__meta_kubernetes_pod_label_"+notInLabels.ReplaceAllString(name, "_")] = value
				}
				relabel(labels, e.Relabelings)
				out = append(out, target{monitor: m.Metadata.Name, labels: labels, pod: o, port: p.Port})
			}
		}
	}
	return out
}

var notInLabels = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// relabeling is a step of Prometheus's relabeling. The overlays use its default action alone.
type relabeling struct {
	Source      []string `yaml:"sourceLabels"`
	Target      string   `yaml:"targetLabel"`
	Regex       *string
	Replacement *string
	Action      string
}

func relabel(labels map[string]string, steps []relabeling) {
	for _, s := range steps {
		var from []string
		for _, name := range s.Source {
			from = append(from, labels[name])
		}
		regex, with := "(.*)", "$1"
		if s.Regex != nil {
			regex = *s.Regex
		}
		if s.Replacement != nil {
			with = *s.Replacement
		}
		joined := strings.Join(from, ";")
		whole := regexp.MustCompile("^(?:" + regex + ")$")
		found := whole.FindStringSubmatchIndex(joined)
		if s.Action != "" || found == nil {
			continue
		}
		labels[s.Target] = string(whole.ExpandString(nil, with, joined, found))
	}
}

// checkScrapes wants every pod to be scraped, every target to be of the region and to have the labels that rules know, a
// target for each job that rules know, and every way to a target to be open.
func checkScrapes(objects []object, region regions.Name) []string {
	var out []string
	found := targets(objects)
	for _, o := range objects {
		if len(o.Spec.Template.Spec.Containers) == 0 || slices.Contains([]string{"Job", "CronJob"}, o.Kind) || unscraped()[o.Metadata.Name] != "" {
			continue
		}
		if !slices.ContainsFunc(found, func(t target) bool { return t.pod.Kind == o.Kind && t.pod.Metadata.Name == o.Metadata.Name }) {
			out = append(out, "no monitor selects the pods of "+o.Metadata.Name)
		}
	}
	jobs := map[string]bool{}
	for _, j := range prometheus.Jobs() {
		jobs[j.Name] = false
	}
	for _, t := range found {
		if _, known := jobs[t.labels["job"]]; !known {
			out = append(out, fmt.Sprintf("%v is of the job %q, which no rule knows", t, t.labels["job"]))
		}
		jobs[t.labels["job"]] = true
		if t.labels["cloud_region"] != string(region) || t.labels["instance"] == "" {
			out = append(out, fmt.Sprintf("%v is said to be %q in %q", t, t.labels["instance"], t.labels["cloud_region"]))
		}
		if t.host != "" && !strings.Contains(t.host, "."+string(region)+".") && !strings.HasSuffix(t.host, "."+monitoring+".svc") {
			out = append(out, fmt.Sprintf("%v is of another region", t))
		}
		out = append(out, closed(objects, t)...)
	}
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		if !jobs[name] {
			out = append(out, "nothing is scraped for the job "+name)
		}
	}
	return out
}

// closed says which network policies keep Prometheus from a target.
func closed(objects []object, t target) []string {
	var out []string
	for _, p := range operated(objects) {
		from := p.Spec.Template.Metadata.Labels
		to := party{namespace: monitoring}
		switch {
		case t.pod.Kind != "":
			to = party{labels: t.pod.Spec.Template.Metadata.Labels}
			if !open(objects, "Ingress", to, t.port, party{labels: from}) {
				out = append(out, fmt.Sprintf("no policy lets Prometheus in at %v", t))
			}
		case !strings.HasSuffix(t.host, ".svc"):
			to = party{address: netip.MustParseAddr("10.1.2.3")}
		}
		if !open(objects, "Egress", party{labels: from}, t.port, to) {
			out = append(out, fmt.Sprintf("no policy lets Prometheus out to %v", t))
		}
	}
	return out
}

// party is an end of a way: pods of the overlay by their labels, all pods of another namespace, or an address.
type party struct {
	labels    map[string]string
	namespace string
	address   netip.Addr
}

// open reports whether the policies of some pods let a port of theirs be reached by others (Ingress), or a port of others be
// reached by them (Egress).
func open(objects []object, direction string, of party, port int, other party) bool {
	restricted := false
	for _, o := range objects {
		if o.Kind != "NetworkPolicy" || !slices.Contains(o.Spec.PolicyTypes, direction) || !o.Spec.PodSelector.matches(of.labels) {
			continue
		}
		restricted = true
		for _, r := range map[string][]rule{"Ingress": o.Spec.Ingress, "Egress": o.Spec.Egress}[direction] {
			if (len(r.Ports) == 0 || slices.Contains(r.ports(), port)) && slices.ContainsFunc(slices.Concat(r.From, r.To), other.is) {
				return true
			}
		}
	}
	return !restricted
}

// is reports whether a peer of a policy takes the party in.
func (p party) is(of peer) bool {
	switch {
	case p.address.IsValid():
		in := func(cidr string) bool {
			network, err := netip.ParsePrefix(cidr)
			return err == nil && network.Contains(p.address)
		}
		return in(of.IPBlock.CIDR) && !slices.ContainsFunc(of.IPBlock.Except, in)
	case p.namespace != "":
		return of.Namespaces != nil && of.Namespaces.matches(map[string]string{"kubernetes.io/metadata.name": p.namespace})
	default:
		return of.Namespaces == nil && of.Pods != nil && of.Pods.matches(p.labels)
	}
}

// checkObserver wants a region's Prometheus to be able to do what it is there for, apart from scraping: find pods, tell
// alerts, be asked by autoscalers, and have every rule of one region.
func checkObserver(objects []object, w world) []string {
	pods := operated(objects)
	if len(pods) != 1 {
		return []string{fmt.Sprintf("the region has %d Prometheus", len(pods))}
	}
	self := party{labels: pods[0].Spec.Template.Metadata.Labels}
	var out []string
	for what, address := range map[string]string{"the Kubernetes API behind its Service": "10.1.2.3", "the Kubernetes API's Service": "172.20.0.1"} {
		if !open(objects, "Egress", self, 443, party{address: netip.MustParseAddr(address)}) {
			out = append(out, "no policy lets Prometheus out to "+what)
		}
	}
	if !open(objects, "Egress", self, 9093, party{namespace: monitoring}) {
		out = append(out, "no policy lets Prometheus out to Alertmanager")
	}
	if !open(objects, "Ingress", self, 9090, party{namespace: monitoring}) {
		out = append(out, "no policy lets the autoscalers' adapter in at Prometheus")
	}
	for _, o := range objects {
		if o.Kind != "Prometheus" {
			continue
		}
		for resource, in := range map[string]string{"pods": "meridian", "endpointslices": monitoring} {
			if !granted(w.rights, o.Spec.ServiceAccount, in, resource, "get", "list", "watch") {
				out = append(out, "Prometheus may not list "+resource+" in "+in+", and finds none")
			}
		}
		if a := o.Spec.Alerting.Alertmanagers; len(a) != 1 || a[0].Namespace != monitoring {
			out = append(out, "Prometheus knows no Alertmanager")
		}
	}
	return out
}

// granted reports whether a role lets a service account do something with a resource of a namespace.
func granted(objects []object, account, in, resource string, verbs ...string) bool {
	for _, binding := range objects {
		role, found := find(objects, "Role", binding.Of.Name)
		if binding.Kind != "RoleBinding" || binding.Metadata.Namespace != in || !found || !slices.ContainsFunc(binding.To, func(s struct{ Kind, Name string }) bool { return s.Name == account }) {
			continue
		}
		for _, r := range role.Rules {
			if slices.Contains(r.Resources, resource) && !slices.ContainsFunc(verbs, func(v string) bool { return !slices.Contains(r.Verbs, v) }) {
				return true
			}
		}
	}
	return false
}

// TestScrapesThatFailAreFound plants mistakes that keep Prometheus from what it should scrape.
func TestScrapesThatFailAreFound(t *testing.T) {
	t.Parallel()
	const base, eu = "deploy/k8s/base/", "deploy/k8s/regions/eu-west-1/"
	for _, tc := range []struct{ name, file, old, with, by, says string }{
		{"scraping that Prometheus's policy closes", base + "network.yaml", "        - podSelector: {}\n      ports: [{port: 9090}]", "        - podSelector: {}\n      ports: [{port: 8080}]", byRules, "no policy lets Prometheus out to worker:9090"},
		{"scraping that the pods' policy closes", base + "network.yaml", "    - from: # the region's own Prometheus\n        - podSelector: {matchLabels: {app.kubernetes.io/name: prometheus}}", "    - from:\n        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}", byRules, "no policy lets Prometheus in at worker:9090"},
		{"scraping of machines that a policy closes", base + "network.yaml", "ports: [{port: 8080}, {port: 8501}]", "ports: [{port: 8501}]", byRules, "no policy lets Prometheus out to database.eu-west-1"},
		{"discovery that a policy closes", base + "network.yaml", "        - ipBlock: {cidr: 172.16.0.0/12}\n", "", byRules, "the Kubernetes API's Service"},
		{"a pod kind that no monitor selects", base + "monitoring.yaml", "values: [edge, browse, checkout, worker]", "values: [edge, browse, checkout]", byRules, "no monitor selects the pods of worker"},
		{"a job that no rule knows", base + "monitoring.yaml", "replacement: meridian-edge", "replacement: meridian-edges", byRules, "which no rule knows"},
		{"a job without targets", base + "monitoring.yaml", "replacement: meridian-edge", "replacement: meridian-stack", byRules, "nothing is scraped for the job meridian-edge"},
		{"scraping of another region", eu + "scrape.yaml", "names: [consul.eu-west-1", "names: [consul.us-east-1", byRules, "is of another region"},
		{"targets that are said to be elsewhere", base + "monitoring.yaml", "    - port: admin\n      path: /metrics\n      interval: 10s\n      scrapeTimeout: 5s\n      relabelings: # as the rules in deploy/prometheus know regions, jobs and instances\n        - {sourceLabels: [__meta_kubernetes_pod_label_meridian_region], targetLabel: cloud_region}", "    - port: admin\n      path: /metrics\n      relabelings:\n        - {sourceLabels: [__meta_kubernetes_pod_label_region], targetLabel: cloud_region}", byRules, "is said to be"},
		{"Prometheus that may not list pods", "deploy/k8s/cluster/prometheus.yaml", "resources: [pods]", "resources: [nodes]", byRules, "may not list pods"},
		{"a token that is not fetched", base + "secrets.yaml", "target: {name: consul-prometheus}", "target: {name: consul-scraper}", byRules, "token of consul-prometheus"},
		{"misspelled field of a scrape", eu + "scrape.yaml", "names: [consul.", "name: [consul.", bySchema, "name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			planted(t, tc.file, tc.old, tc.with, tc.by, tc.says)
		})
	}
}

// TestOverlaysShipTheRules: the overlay of every region has a resource of each file of rules that one region can tell.
func TestOverlaysShipTheRules(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	files, err := filepath.Glob(filepath.Join(root, "deploy/prometheus/rules/*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range files {
		want = append(want, strings.TrimSuffix(filepath.Base(f), ".yml"))
	}
	shipped := func(dir string) []string {
		text, err := deploytest.Run(t.Context(), dir, deploytest.Tool(t, "kustomize"), "build", ".")
		if err != nil {
			t.Fatal(text)
		}
		var got []string
		for _, o := range parse(t, text) {
			if o.Kind == "PrometheusRule" {
				got = append(got, o.Metadata.Name)
			}
		}
		slices.Sort(got)
		return got
	}
	for _, name := range regions.Default().Names() {
		if got := shipped(filepath.Join(root, folder, string(name))); !slices.Equal(got, want) {
			t.Errorf("%s ships the rules %v, want %v", name, got, want)
		}
	}
	changed := deploytest.Copy(t, "deploy/k8s")
	deploytest.Replace(t, filepath.Join(changed, "deploy/k8s/base/kustomization.yaml"), "  - rules.yaml\n", "")
	if got := shipped(filepath.Join(changed, folder, "eu-west-1")); slices.Equal(got, want) {
		t.Error("an overlay without rules is not found")
	}
}

// TestVersion: the region's Prometheus is of the version that the rules are checked with.
func TestVersion(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	module, err := os.ReadFile(filepath.Join(root, "tools/prometheus/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`prometheus/prometheus v0\.3(\d\d)\.0`).FindSubmatch(module) // a module's version is 0.3xx for 3.xx
	text, err := os.ReadFile(filepath.Join(root, "deploy/k8s/base/prometheus.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if version == nil || !strings.Contains(string(text), "  version: v3."+string(version[1])+".0\n") {
		t.Errorf("the overlays run another Prometheus than promtool's, which is of %s", version)
	}
}
