package kubecheck

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/regions"
)

// namespace is Meridian's.
const namespace = "meridian"

// check is one run against a control plane, with what it found.
type check struct {
	*plane
	t       *testing.T
	out     io.Writer
	root    string // the repository as the pages speak of it
	dir     string // where its operator stands: beside the repository, which is called meridian here
	catalog *regions.Set
	pages   map[string]string
	ran     map[told]bool
	found   []string
}

// newCheck copies the repository for a run, and makes the site that the pages tell of. A planted mistake changes the
// copy.
func newCheck(t *testing.T, plant func(root string)) *check {
	t.Helper()
	c := &check{t: t, out: t.Output(), dir: t.TempDir(), catalog: regions.Default(), ran: map[told]bool{}}
	c.root = deploytest.Copy(t, "deploy/k8s", "docs", "terraform/README.md", "terraform/templates", "README.md")
	if plant != nil {
		plant(c.root)
	}
	c.pages = pages(t, c.root)
	if err := os.Symlink(c.root, filepath.Join(c.dir, "meridian")); err != nil {
		t.Fatal(err)
	}
	c.found = untold(c.pages, toldCommands())
	c.writeSite("site", firstVersion)
	return c
}

func (c *check) finding(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// writeStubs writes what stands in for the programs that need a cloud of some regions, or that a page runs besides.
func (c *check) writeStubs(regions []string) {
	c.t.Helper()
	names, err := json.Marshal(regions)
	if err != nil {
		c.t.Fatal(err)
	}
	stubs := map[string]string{
		"terraform": `case "$*" in *"output -json regions") echo '` + string(names) + `';; *" destroy") ;; *) echo "terraform $*: unknown" >&2; exit 1;; esac`,
		"curl":      ":",
		// A rollout is told what to run: the check runs it.
		"meridian": `while [ $# -gt 0 ]; do case "$1" in --exec|--rollback-exec) printf %s "$2" >"$TOLD/${1#--}"; shift;; esac; shift; done`,
	}
	if _, err := exec.LookPath("jq"); err != nil {
		stubs["jq"] = `tr -d '[]"' | tr , '\n'`
	}
	var files []deploy.File
	for name, body := range stubs {
		files = append(files, deploy.File{Path: name, Content: []byte("#!/bin/sh\nset -eu\n" + body + "\n")})
	}
	c.write(filepath.Join(c.dir, "stubs"), files)
	for name := range stubs {
		if err := os.Chmod(filepath.Join(c.dir, "stubs", name), 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *check) write(dir string, files []deploy.File) {
	c.t.Helper()
	if err := deploy.Write(dir, files); err != nil {
		c.t.Fatal(err)
	}
}

// Versions are told apart by the letter that their digest is made of; pods of the broken one never become ready.
const (
	firstVersion  = "a"
	brokenVersion = "b"
	secondVersion = "c"
)

func digest(version string) string { return "sha256:" + strings.Repeat(version, 64) }

// writeSite makes a folder of overlays of a version, as the how-to shows them.
func (c *check) writeSite(folder, version string) {
	c.t.Helper()
	_, text, _ := strings.Cut(c.pages[deployPage], "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	text = strings.NewReplacer("YOUR-REGISTRY", "registry.example.com", "sha256:…", digest(version)).Replace(unindented(text))
	if !strings.Contains(text, digest(version)) {
		c.t.Fatalf("the how-to shows no overlay that names a digest:\n%s", text)
	}
	if version != firstVersion { // the agents change with it
		text = strings.Replace(text, "newTag: ", "newTag: "+version+"-", 1)
	}
	var files []deploy.File
	for _, region := range c.catalog.Names() {
		of := strings.ReplaceAll(text, "eu-west-1", string(region))
		files = append(files, deploy.File{Path: string(region) + "/kustomization.yaml", Content: []byte(of)})
	}
	for _, job := range []string{"migrate", "audit"} {
		files = append(files, deploy.File{Path: job + "/kustomization.yaml", Content: fmt.Appendf(nil,
			"resources: [../../meridian/deploy/k8s/%s]\nimages: [{name: meridian, newName: registry.example.com/meridian, digest: %q}]\n", job, digest(version))})
	}
	c.write(filepath.Join(c.dir, folder), files)
}

// script returns the block of a page that holds some text, and notes that its commands are run.
func (c *check) script(page, holds string) string {
	c.t.Helper()
	var block string
	for _, cmd := range commands(page, c.pages[page]) {
		if !strings.Contains(cmd.in, holds) {
			continue
		}
		if block != "" && block != cmd.in {
			c.t.Fatalf("%s has two blocks with %q", page, holds)
		}
		block = cmd.in
		c.note(page, cmd.text)
	}
	if block == "" {
		c.t.Fatalf("%s has no block with %q", page, holds)
	}
	return block
}

// note notes that a command is run.
func (c *check) note(page, text string) {
	for _, k := range toldCommands() {
		if k.page == page && k.command == text {
			c.ran[k] = true
		}
	}
}

// do runs a script of a page as somebody; its failures and warnings are findings. It returns whether it succeeded.
func (c *check) do(who, dir, script string) bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	out, err := c.sh(ctx, who, dir, script)
	if err != nil {
		c.finding("as %s: %v\n%s\n%s", who, err, script, out)
	}
	c.warnings(out)
	return err == nil
}

// warnings makes findings of what the API server warns of.
func (c *check) warnings(out string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Warning:") {
			c.finding("%s", strings.TrimSpace(line))
		}
	}
}

// unrun makes findings of the commands that a stage was to run and did not.
func (c *check) unrun(stage string) {
	for _, k := range toldCommands() {
		if k.stage == stage && !c.ran[k] {
			c.finding("the stage %s did not run `%s` of %s", stage, k.command, k.page)
		}
	}
}

// prepare makes what the pages say must be there in a cluster: the operators' kinds, and their namespaces.
func (c *check) prepare(region string) {
	c.t.Helper()
	args := []string{"apply", "--server-side"}
	for _, file := range definitions(c.t) {
		args = append(args, "-f", file)
	}
	c.must(region, "", args...)
	for _, name := range []string{"monitoring", "kafka", "external-secrets"} {
		c.must(region, "", "create", "namespace", name)
	}
	for _, kind := range []string{"externalsecrets", "secretstores", "podmonitors", "prometheuses", "prometheusrules", "scrapeconfigs", "targetgroupbindings"} {
		c.await("the kind "+kind, patience, func() error {
			_, err := c.kubectl(admin, region, "", "get", kind, "-A")
			return err
		})
	}
}

// definitions returns the files with the kinds that operators add to Kubernetes, from the modules of these operators.
func definitions(t *testing.T) []string {
	t.Helper()
	var out []string
	for module, files := range map[string][]string{
		"github.com/external-secrets/external-secrets": {
			"config/crds/bases/external-secrets.io_externalsecrets.yaml", "config/crds/bases/external-secrets.io_secretstores.yaml",
		},
		"github.com/prometheus-operator/prometheus-operator": {
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml", "example/prometheus-operator-crd/monitoring.coreos.com_prometheuses.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml", "example/prometheus-operator-crd/monitoring.coreos.com_scrapeconfigs.yaml",
		},
		"sigs.k8s.io/aws-load-balancer-controller": {"config/crd/bases/elbv2.k8s.aws_targetgroupbindings.yaml"},
	} {
		dir := deploytest.Module(t, "tools/kubernetes/schemas", module)
		for _, f := range files {
			out = append(out, filepath.Join(dir, f))
		}
	}
	slices.Sort(out)
	return out
}

// zonesOf returns the zones that the catalog has for a region on AWS.
func zonesOf(catalog *regions.Set, region string) []string {
	r, _ := catalog.Lookup(regions.Name(region))
	return slices.Clone(r.Zones["aws"])
}
