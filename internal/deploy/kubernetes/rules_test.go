package kubernetes

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/regions"
)

// world is what an overlay's objects are held to.
type world struct {
	catalog     *regions.Set
	catalogFile string
	metrics     map[string]bool // that the product exposes
	adapted     map[string]bool // that prometheus-adapter serves
	priorities  []string        // that a cluster has
	rights      []object        // that a cluster gives to Prometheus
}

// findings says what is wrong with the objects of a region, a sentence each.
func findings(objects []object, region regions.Name, w world) []string {
	var out []string
	all := append(slices.Clone(objects), operated(objects)...)
	for _, o := range objects {
		for _, text := range slices.Concat(
			checkProduct(o, objects, region, w), checkPod(o, w), checkSecrets(o, objects),
			checkPorts(o, all), checkPolicy(o), checkScaler(o, objects, w),
		) {
			out = append(out, o.Kind+" "+o.Metadata.Name+": "+text)
		}
	}
	return slices.Concat(out, checkWhole(objects), checkScrapes(all, region), checkObserver(all, w))
}

// checkProduct runs the product's own command line and configuration on what a pod would be given.
func checkProduct(o object, objects []object, region regions.Name, w world) []string {
	if !o.isProduct() {
		return nil
	}
	p := o.Spec.Template.Spec
	c := p.Containers[0]
	if code := cli.Run(context.Background(), append(slices.Clone(c.Args), "--help"), io.Discard, io.Discard); code != 0 {
		return []string{fmt.Sprintf("`meridian %s` is no command line", strings.Join(c.Args, " "))}
	}
	environ, out := environment(c, objects)
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(f)
	if err := f.Parse(c.Args[1:]); err != nil {
		return append(out, err.Error())
	}
	cfg, err := config.Load(f, append(environ, "MERIDIAN_REGIONS_FILE="+w.catalogFile))
	if err != nil {
		return append(out, err.Error())
	}
	if _, err := cfg.RegionSet(); err != nil {
		out = append(out, err.Error())
	}
	if err := cfg.Require(required(c.Args[0], cfg)...); err != nil {
		out = append(out, err.Error())
	}
	for _, file := range files(cfg) {
		if file != "" && !mounted(p, file, objects) {
			out = append(out, file+" is in no mounted secret")
		}
	}
	if slices.Contains([]string{"migrate", "audit"}, c.Args[0]) {
		return out
	}
	if cfg.Region != region {
		out = append(out, fmt.Sprintf("region is %q, want %q", cfg.Region, region))
	}
	if drain := cfg.Shutdown.Delay + cfg.Shutdown.Timeout; int(drain.Seconds()) >= p.Grace {
		out = append(out, fmt.Sprintf("it is killed after %d s, while draining takes %s", p.Grace, drain))
	}
	out = append(out, listens(c, cfg.Listen, "api", "https"), listens(c, cfg.AdminListen, "admin"))
	if holds(p, privateKeys(objects)) && !slices.Contains(cfg.Target, "account") {
		out = append(out, "it holds keys that sign access tokens, and signs none")
	}
	out = append(out, checkListed(o, cfg, objects))
	if holds(p, gossipKeys(objects)) {
		out = append(out, "it holds the key of Consul's gossip")
	}
	if c.Args[0] == "edge" {
		out = append(out, checkConsuls(o, cfg, environ, objects)...)
		if got, want := slices.Sorted(maps.Keys(cfg.Edge.Consul)), sorted(w.catalog); !slices.Equal(got, want) {
			out = append(out, fmt.Sprintf("the edge knows the Consul of %v, want %v", got, want))
		}
	}
	for _, part := range parts() {
		if part.name == o.Metadata.Name && c.Args[0] == "serve" && cfg.Capacity.Requests != part.full {
			out = append(out, fmt.Sprintf("a pod says that it is full at %d requests, the autoscaler reckons with %d", cfg.Capacity.Requests, part.full))
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// files are those that a process reads.
func files(c config.Config) []string {
	return []string{
		c.Auth.KeysFile, c.Account.DirectoryKeyFile, c.Edge.TLSCertFile, c.Edge.TLSKeyFile,
		c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ClientCAFile, c.Edge.UpstreamTLS.CertFile, c.Edge.UpstreamTLS.KeyFile, c.Edge.UpstreamTLS.CAFile,
		c.Redis.PasswordFile, c.Redis.CAFile, c.Kafka.SASL.PasswordFile, c.Kafka.CAFile,
	}
}

// required are the keys that a command does not start without.
func required(command string, c config.Config) []string {
	switch command {
	case "migrate", "audit":
		return []string{"database.url"}
	case "edge":
		return []string{"region", "instance", "auth.keys_file"}
	}
	keys := []string{"region", "instance", "database.url", "auth.keys_file"}
	if slices.Contains(c.Target, "account") {
		keys = append(keys, "account.directory_key_file")
	}
	if slices.Contains(c.Target, "payment") {
		keys = append(keys, "payment.provider_url", "kafka.brokers")
	}
	return keys
}

var variable = regexp.MustCompile(`\$\(([A-Za-z_]+)\)`)

// environment returns a container's variables as Kubernetes would set them.
func environment(c container, objects []object) (environ, out []string) {
	values := map[string]string{}
	for _, from := range c.EnvFrom {
		m, ok := find(objects, "ConfigMap", from.ConfigMap.Name)
		if !ok {
			out = append(out, "there is no ConfigMap "+from.ConfigMap.Name)
		}
		maps.Copy(values, m.Data)
	}
	for _, e := range c.Env {
		value := e.Value
		switch {
		case e.Name == "POD_IP":
			value = "10.1.2.3"
		case e.From.Secret.Name != "":
			value = "secret"
		case value == "" && e.Name == "MERIDIAN_INSTANCE":
			value = "pod"
		}
		for _, m := range variable.FindAllStringSubmatch(value, -1) {
			known, ok := values[m[1]]
			if !ok {
				out = append(out, fmt.Sprintf("%s uses %s, which is not set before it", e.Name, m[1]))
			}
			value = strings.ReplaceAll(value, m[0], known)
		}
		values[e.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		environ = append(environ, name+"="+values[name])
	}
	return environ, out
}

// listens holds an address to a container's port of one of the names.
func listens(c container, address string, names ...string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err.Error()
	}
	for _, p := range c.Ports {
		if slices.Contains(names, p.Name) && strconv.Itoa(p.Port) == port {
			return ""
		}
	}
	return fmt.Sprintf("it listens on %s, which is not its port %s", address, strings.Join(names, " or "))
}

// checkPod finds what kube-score does not.
func checkPod(o object, w world) []string {
	p := o.Spec.Template.Spec
	if len(p.Containers) == 0 {
		return nil
	}
	var out []string
	if p.EnableServiceLinks == nil || *p.EnableServiceLinks {
		out = append(out, "service links would be set as variables that the product refuses")
	}
	if p.AutomountToken == nil || *p.AutomountToken {
		out = append(out, "its token is mounted")
	}
	if !slices.Contains(w.priorities, p.Priority) {
		out = append(out, "there is no priority class "+p.Priority)
	}
	if p.ServiceAccount == "" || p.ServiceAccount == "default" {
		out = append(out, "it has no service account of its own")
	}
	if p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" {
		out = append(out, "no seccomp profile")
	}
	if p.HostNetwork || slices.ContainsFunc(p.Volumes, func(v volume) bool { return v.HostPath != nil }) {
		out = append(out, "it uses the node's network or files")
	}
	c := p.Containers[0]
	if o.Kind == "Deployment" {
		var spread []string
		for _, s := range p.TopologySpread {
			spread = append(spread, s.TopologyKey)
			if s.Otherwise != "ScheduleAnyway" {
				out = append(out, "a "+s.TopologyKey+" that cannot grow holds up the others")
			}
		}
		for _, lost := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
			if !slices.ContainsFunc(p.Tolerations, func(t toleration) bool { return t.Key == lost && t.Seconds != nil && *t.Seconds <= 30 }) {
				out = append(out, "it is on a node that is "+lost+" for longer than half a minute")
			}
		}
		if !slices.Contains(spread, "topology.kubernetes.io/zone") || !slices.Contains(spread, "kubernetes.io/hostname") {
			out = append(out, fmt.Sprintf("it is spread over %v, want zones and nodes", spread))
		}
		if c.Startup == nil || c.Readiness == nil || c.Readiness.HTTP.Path != "/readyz" || c.Liveness == nil || c.Liveness.HTTP.Path != "/healthz" {
			out = append(out, "its probes do not ask /readyz and /healthz")
		}
	}
	limit := 0
	for _, e := range c.Env {
		if f := e.From.Field; f.Path != "" && f.Version != "v1" {
			out = append(out, e.Name+" does not say its version, and a second apply by the server conflicts")
		}
		if e.Name == "GOMEMLIMIT" {
			limit, _ = strconv.Atoi(strings.TrimSuffix(e.Value, "MiB"))
		}
	}
	memory, _ := strconv.Atoi(strings.TrimSuffix(c.Resources.Limits.Memory, "Mi"))
	if o.Kind == "Deployment" && (limit == 0 || limit > memory*95/100) {
		out = append(out, fmt.Sprintf("GOMEMLIMIT is %d MiB of %d MiB", limit, memory))
	}
	return out
}

// checkPorts wants ports that others name to be ports of the pods that they mean.
func checkPorts(o object, objects []object) []string {
	var wanted []string
	var means selector
	switch o.Kind {
	case "Service":
		if err := o.Spec.Selector.Decode(&means.Labels); err != nil {
			return []string{err.Error()}
		}
		for _, p := range o.Spec.Ports {
			wanted = append(wanted, p.TargetPort)
		}
	case "PodMonitor":
		if err := o.Spec.Selector.Decode(&means); err != nil {
			return []string{err.Error()}
		}
		for _, e := range o.Spec.PodMetricsEndpoints {
			wanted = append(wanted, e.Port)
		}
	default:
		return nil
	}
	var out []string
	pods := 0
	for _, other := range objects {
		t := other.Spec.Template
		if len(t.Spec.Containers) == 0 || !means.matches(t.Metadata.Labels) {
			continue
		}
		pods++
		for _, name := range wanted {
			if !slices.ContainsFunc(t.Spec.Containers[0].Ports, func(p containerPort) bool { return p.Name == name }) {
				out = append(out, fmt.Sprintf("%s has no port %q", other.Metadata.Name, name))
			}
		}
	}
	if pods == 0 {
		out = append(out, "it means no pods")
	}
	return out
}

// checkPolicy lets only the edge's one port be open to the world, and only the workers and who tells the global view call
// out, by HTTPS.
func checkPolicy(o object) []string {
	if o.Kind != "NetworkPolicy" {
		return nil
	}
	component := o.Spec.PodSelector.Labels["app.kubernetes.io/component"]
	var out []string
	judge := func(direction string, ports []int, blocks []string, mayBeOpen bool) {
		if len(ports) == 0 {
			out = append(out, direction+" on every port")
		}
		if len(blocks) == 0 || slices.Contains(blocks, "0.0.0.0/0") && !mayBeOpen {
			out = append(out, direction+" is open to the world")
		}
	}
	for _, r := range o.Spec.Ingress {
		judge("ingress", r.ports(), blocks(r.From), component == "edge" && slices.Equal(r.ports(), []int{8443}))
	}
	for _, r := range o.Spec.Egress {
		calls := component == "worker" || o.Metadata.Name == "global-view"
		judge("egress", r.ports(), blocks(r.To), calls && slices.Equal(r.ports(), []int{443}))
		for _, p := range r.To {
			// Services, and so the Kubernetes API, have addresses of one of these whatever the cluster.
			for _, private := range []string{"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} {
				if p.IPBlock.CIDR == "0.0.0.0/0" && !slices.Contains(p.IPBlock.Except, private) {
					out = append(out, "egress to the world reaches "+private)
				}
			}
		}
	}
	if component == "worker" && !reachesKafka(o) {
		out = append(out, "no way to a Kafka in the cluster, which is in the namespace kafka")
	}
	return out
}

func reachesKafka(policy object) bool {
	return slices.ContainsFunc(policy.Spec.Egress, func(r rule) bool {
		return slices.Contains(r.ports(), 9092) && slices.ContainsFunc(r.To, func(p peer) bool {
			return p.Namespaces != nil && p.Namespaces.Labels["kubernetes.io/metadata.name"] == "kafka"
		})
	})
}

// checkScaler wants an autoscaler's target to be there, and each of its metrics to be exposed and served.
func checkScaler(o object, objects []object, w world) []string {
	if o.Kind != "HorizontalPodAutoscaler" {
		return nil
	}
	var out []string
	if _, ok := find(objects, o.Spec.ScaleTargetRef.Kind, o.Spec.ScaleTargetRef.Name); !ok {
		out = append(out, "it scales nothing")
	}
	for _, m := range o.Spec.Metrics {
		name := m.Pods.Metric.Name
		if m.Type == "Pods" && !w.metrics[name] {
			out = append(out, "no process exposes "+name)
		}
		if m.Type == "Pods" && !w.adapted[name] {
			out = append(out, "prometheus-adapter does not serve "+name)
		}
	}
	return out
}

// checkWhole finds what is missing from a region as a whole.
func checkWhole(objects []object) []string {
	var out []string
	denies := slices.ContainsFunc(objects, func(o object) bool {
		s := o.Spec
		return o.Kind == "NetworkPolicy" && len(s.PodSelector.Labels)+len(s.PodSelector.Expressions) == 0 &&
			len(s.Ingress)+len(s.Egress) == 0 && slices.Contains(s.PolicyTypes, "Ingress") && slices.Contains(s.PolicyTypes, "Egress")
	})
	if !denies {
		out = append(out, "no NetworkPolicy denies everything else")
	}
	served := map[string]int{}
	for _, o := range objects {
		if !o.isProduct() || o.Spec.Template.Spec.Containers[0].Args[0] != "serve" {
			continue
		}
		_, list, _ := strings.Cut(strings.Join(o.Spec.Template.Spec.Containers[0].Args, " "), "--target=")
		for m := range strings.SplitSeq(list, ",") {
			served[m]++
		}
	}
	for _, m := range modules() {
		if served[m] != 1 {
			out = append(out, fmt.Sprintf("module %s is run by %d deployments, want one", m, served[m]))
		}
	}
	return out
}

// clusterFindings says what is wrong with what an administrator makes once.
func clusterFindings(objects []object) []string {
	var out []string
	for _, o := range objects {
		switch {
		case o.Kind == "PriorityClass" && o.Preemption != "Never":
			out = append(out, o.Metadata.Name+" pushes others out")
		case o.Kind == "Namespace" && o.Metadata.Labels["pod-security.kubernetes.io/enforce"] != "restricted":
			out = append(out, "the namespace admits any pod")
		case o.Kind == "ClusterRole" || o.Kind == "ClusterRoleBinding":
			out = append(out, o.Kind+" "+o.Metadata.Name+" reaches beyond the namespace")
		}
		for _, r := range o.Rules {
			if slices.Contains(slices.Concat(r.Groups, r.Resources, r.Verbs), "*") {
				out = append(out, o.Kind+" "+o.Metadata.Name+" names not what it allows")
			}
		}
	}
	return out
}

// modules are those that --help lists.
func modules() []string {
	for _, k := range config.Keys() {
		if k.Name == "target" {
			_, list, _ := strings.Cut(k.Help, "some of ")
			return strings.Split(list, ", ")
		}
	}
	return nil
}

func find(objects []object, kind, name string) (object, bool) {
	i := slices.IndexFunc(objects, func(o object) bool { return o.Kind == kind && o.Metadata.Name == name })
	if i < 0 {
		return object{}, false
	}
	return objects[i], true
}

func sorted(c *regions.Set) []string {
	var out []string
	for _, n := range c.Names() {
		out = append(out, string(n))
	}
	slices.Sort(out)
	return out
}
