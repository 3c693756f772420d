package infrastructure

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// TestMachines renders what machines are started with, and has each part read by what will read it: YAML, the shell,
// Python, JSON. Units are held against the scripts that they run.
func TestMachines(t *testing.T) {
	t.Parallel()
	parts := render(t)
	machines, sql := parts.Machines.Value, parts.SQL.Value
	if len(machines) != 4 {
		t.Fatalf("%d machines", len(machines))
	}
	for name, text := range machines {
		if !strings.HasPrefix(text, "#cloud-config\n") || len(text) > 16<<10 {
			t.Errorf("%s: no cloud configuration, or longer than EC2 takes: %d bytes", name, len(text))
		}
		var config struct {
			WriteFiles []struct{ Path, Permissions, Content string } `yaml:"write_files"`
			Commands   []string                                      `yaml:"runcmd"`
		}
		if err := yaml.Unmarshal([]byte(text), &config); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		files := map[string]string{}
		for _, f := range config.WriteFiles {
			files[f.Path] = f.Content
		}
		for file, content := range files {
			checkFile(t, name, file, content, files)
		}
		first := strings.HasSuffix(name, "true")
		if starts := strings.Contains(strings.Join(config.Commands, "\n"), "-bootstrap.service"); starts != first {
			t.Errorf("%s: runs the bootstrap: %v", name, starts)
		}
	}
	for name, text := range machines {
		if strings.HasPrefix(name, "database") && strings.HasSuffix(name, "true") {
			bootstrap(t, text)
		}
	}
	for _, want := range []string{"enterprise.license = 'crl-", "\n  updates_cluster_last_backup_time_metric;", "\nSET CLUSTER SETTING server.shutdown.initial_wait = '20s';\n", "  's3://one?COCKROACH_LOCALITY=default',\n  's3://two?COCKROACH_LOCALITY=region%3Deu-west-1'\n)"} {
		if !strings.Contains(sql, want) {
			t.Errorf("not in the SQL: %s\n%s", want, sql)
		}
	}
}

// bootstrap runs what makes the cluster, with stubs of which each fails once: it has to make it all the same.
func bootstrap(t *testing.T, machine string) {
	t.Helper()
	var config struct {
		WriteFiles []struct{ Path, Content string } `yaml:"write_files"`
	}
	if err := yaml.Unmarshal([]byte(machine), &config); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const once = `[ -e "$0.failed" ] || { touch "$0.failed"; exit 1; }; `
	for name, body := range map[string]string{
		"aws":               once + `case $2 in get-parameter) echo new;; *) echo "$*" >>"$DIR/log";; esac`,
		"cockroach":         once + `echo "$1" >>"$DIR/log"`,
		"cockroach-secrets": `mkdir -p "$2"; touch "$2/bootstrap.sql"`,
		"sleep":             `:`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range config.WriteFiles {
		if f.Path != "/usr/local/sbin/cockroach-bootstrap" {
			continue
		}
		script := "DIR=" + dir + "; export DIR; PATH=$DIR:$PATH\n" + strings.Replace(f.Content, "work=/run/", "work=$DIR/", 1)
		out, err := deploytest.Run(t.Context(), dir, "sh", "-c", script)
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil || !strings.HasPrefix(string(log), "init\nssm put-parameter ") || !strings.HasSuffix(string(log), "\nsql\nsql\n") {
			t.Errorf("the bootstrap: %v\n%s\nit did: %s", err, out, log)
		}
		return
	}
	t.Error("the first machine has no bootstrap")
}

// checkFile reads one file of a machine as what it is.
func checkFile(t *testing.T, machine, file, content string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	switch {
	case strings.HasPrefix(content, "#!/bin/sh\n"):
		script := filepath.Join(dir, "script")
		if err := os.WriteFile(script, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := deploytest.Run(t.Context(), dir, "sh", "-n", script); err != nil {
			t.Errorf("%s: %s: %v\n%s", machine, file, err, out)
		}
		if !strings.Contains(content, "\nset -eu\n") {
			t.Errorf("%s: %s goes on after a failure", machine, file)
		}
	case strings.HasSuffix(file, ".json"):
		if !json.Valid([]byte(content)) {
			t.Errorf("%s: %s is no JSON:\n%s", machine, file, content)
		}
	case strings.HasSuffix(file, ".service"), strings.HasSuffix(file, ".timer"):
		for line := range strings.Lines(content) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			program := strings.TrimLeft(strings.Fields(value + " .")[0], "+-")
			if !strings.HasPrefix(key, "Exec") || !strings.HasPrefix(program, "/usr/local/sbin/") {
				continue
			}
			if files[program] == "" {
				t.Errorf("%s: %s runs %s, which is not there; there are %v", machine, file, program, slices.Sorted(maps.Keys(files)))
			}
		}
	default:
		t.Errorf("%s: %s is of no known kind", machine, file)
	}
}

// rendered is what testdata/machines.tf puts out.
type rendered struct {
	Machines struct{ Value map[string]string }            `json:"machines"`
	SQL      struct{ Value string }                       `json:"sql"`
	Overlays struct{ Value map[string]map[string]string } `json:"overlays"`
}

func render(t *testing.T) rendered {
	t.Helper()
	tool := terraform(t)
	root := deploytest.Copy(t, "terraform/modules/database/templates", "terraform/modules/consul/templates", "terraform/templates")
	main, err := os.ReadFile("testdata/machines.tf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "main.tf"), main, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-input=false"}, {"apply", "-auto-approve", "-input=false"}} {
		if out, err := deploytest.Run(t.Context(), root, tool, args...); err != nil {
			t.Fatalf("terraform %v: %v\n%s", args, err, last(out))
		}
	}
	text, err := deploytest.Run(t.Context(), root, tool, "output", "-json")
	if err != nil {
		t.Fatalf("terraform output: %v\n%s", err, text)
	}
	var out rendered
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestOverlays builds the overlays with kustomize on top of deploy/k8s.
func TestOverlays(t *testing.T) {
	t.Parallel()
	kustomize := deploytest.Tool(t, "kustomize")
	root := deploytest.Copy(t, "deploy/k8s")
	for port, files := range render(t).Overlays.Value {
		dir := filepath.Join(root, "deploy/k8s/site", port)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := deploytest.Run(t.Context(), dir, kustomize, "build", dir)
		if err != nil {
			t.Fatalf("kustomize: %v\n%s", err, out)
		}
		if port == "cluster" {
			if !strings.Contains(out, "kind: StorageClass\n") || !strings.Contains(out, "kind: PriorityClass\n") || !strings.Contains(out, "kmsKeyId: arn:") {
				t.Errorf("%s:\n%s", port, out)
			}
			continue
		}
		if kind := map[string]string{"migrate": "kind: Job\n", "audit": "kind: CronJob\n"}[port]; kind != "" {
			if !strings.Contains(out, kind) || !strings.Contains(out, "image: registry.example.com:5000/meridian:v1.4.0\n") {
				t.Errorf("%s:\n%s", port, out)
			}
			continue
		}
		image := map[string]string{"9092": "registry.example.com:5000/meridian:v1.4.0", "9096": "meridian@sha256:" + strings.Repeat("0", 64)}[port]
		for _, want := range []string{"image: " + image + "\n", "- eu-west-1d\n", "kind: TargetGroupBinding", "MERIDIAN_REDIS_ADDRESS: master.", "MERIDIAN_KAFKA_BROKERS: b-1.example.com:" + port, "type: ClusterIP", "MERIDIAN_TLS_CLIENT_CA_FILE", "mountPath: /etc/meridian/redis", "key: meridian/redis"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: not in the overlay: %s", port, want)
			}
		}
		for _, want := range []string{"MERIDIAN_KAFKA_SASL_MECHANISM", "mountPath: /etc/meridian/kafka", "key: AmazonMSK_meridian", "url: https://aps.example.com/"} {
			if strings.Contains(out, want) != (port == "9096") {
				t.Errorf("%s: in the overlay: %s: %v", port, want, port != "9096")
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^ *image: (.*)$`).FindAllStringSubmatch(out, -1) {
			if known := []string{image, "hashicorp/consul:1.22.7"}; !slices.Contains(known, m[1]) {
				t.Errorf("%s: the image %s, which nobody named: %v", port, m[1], known)
			}
		}
		if strings.Contains(out, "set-in-your-overlay") || strings.Contains(out, "- eu-west-1c\n") {
			t.Errorf("%s: an image or a zone that is not the account's", port)
		}
		if strings.Contains(out, "type: LoadBalancer") || strings.Contains(out, "allocateLoadBalancerNodePorts") {
			t.Errorf("%s: Kubernetes would make a load balancer of its own", port)
		}
	}
}
