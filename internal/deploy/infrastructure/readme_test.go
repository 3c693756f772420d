package infrastructure

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// TestCosts holds the cost tables of terraform/README.md to their own arithmetic, to the instance types of the sizes, and to
// the event bus that is the default.
func TestCosts(t *testing.T) {
	t.Parallel()
	readme, devSizes, prodSizes := documented(t)
	_, dev, _ := strings.Cut(readme, "\n### dev: ")
	dev, prod, _ := strings.Cut(dev, "\n### prod: ")
	costs(t, dev, devSizes)
	costs(t, prod, prodSizes)
	setting(t, "terraform/variables.tf", `(?s)variable "kafka" \{.*?default +=( "kubernetes")\n`) // whose volumes the tables have
	if errs := wrongSums("| EKS | 2 | 0.1 | hour | 146.00 |\n| **total** | | | | **147.00** |"); len(errs) != 1 {
		t.Errorf("a wrong total: %v", errs)
	}
	if errs := wrongSums("| EKS | 2 | 0.1 | month | 146.00 |\n| **total** | | | | **146.00** |"); len(errs) != 1 {
		t.Errorf("a wrong product: %v", errs)
	}
}

// documented returns terraform's readme, and what sizes.tf says of each size.
func documented(t *testing.T) (readme, dev, prod string) {
	t.Helper()
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(deploytest.Root(t), "terraform", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	dev, prod, _ = strings.Cut(read("sizes.tf"), "    prod = {")
	return read("README.md"), dev, prod
}

func costs(t *testing.T, table, sizes string) {
	t.Helper()
	for _, err := range wrongSums(table) {
		t.Error(err)
	}
	types := regexp.MustCompile(`(?:node|database|consul|cache) += \{ type = "([^"]+)"`).FindAllStringSubmatch(sizes, -1)
	if len(types) != 4 {
		t.Fatalf("the types of a size: %v", types)
	}
	for _, m := range types {
		if !strings.Contains(table, ", "+m[1]) {
			t.Errorf("no cost of %s", m[1])
		}
	}
	gib, _ := strconv.Atoi(regexp.MustCompile(`kafka += \{ type = "[^"]+", gib = (\d+) \}`).FindStringSubmatch(sizes)[1])
	const brokers = 3
	if row := fmt.Sprintf("| Kafka in the cluster, EBS gp3, GiB: %d × %d | %d |", brokers, gib, brokers*gib); !strings.Contains(table, "\n"+row) {
		t.Errorf("the costs should have %s", row)
	}
}

// TestQuotas holds the vCPUs that the readme says to ask for to the sizes.
func TestQuotas(t *testing.T) {
	t.Parallel()
	readme, devSizes, prodSizes := documented(t)
	processors := map[string]int{"small": 2, "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8} // of m7g and t4g
	for size, text := range map[string]string{"dev": devSizes, "prod": prodSizes} {
		find := func(pattern string) []string {
			m := regexp.MustCompile(pattern).FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("%s: no %s in sizes.tf", size, pattern)
			}
			return m[1:]
		}
		node := find(`node +=.*"m7g\.(\w+)", min = (\d+), max = (\d+)`)
		least, _ := strconv.Atoi(node[1])
		most, _ := strconv.Atoi(node[2])
		const zones = 3
		others := zones * (processors[find(`database +=.*"m7g\.(\w+)"`)[0]] + processors[find(`consul +=.*"t4g\.(\w+)"`)[0]])
		nodes := zones * processors[node[0]]
		gateways := map[string]int{"true": zones, "false": 1}[find(`nat_per_zone += (\w+)`)[0]]
		first, last := least*nodes+others, most*nodes+others
		row := fmt.Sprintf("| %s | %d | %d | %d |", size, first, last, gateways)
		if !strings.Contains(readme, "\n"+row+"\n") {
			t.Errorf("the readme should say %s", row)
		}
		_, costs, _ := strings.Cut(readme, "\n### "+size+": ")
		costs, _, _ = strings.Cut(costs, "\n| ")
		if says := fmt.Sprintf("%d vCPUs at an apply and %d at most", first, last); !strings.Contains(costs, says) {
			t.Errorf("the costs of %s should say that they need a quota of %s", size, says)
		}
	}
}

var (
	costRow  = regexp.MustCompile(`(?m)^\| ([^|*]+) \| (\d+) \| ([\d.]+) \| (hour|month) \| ([\d.]+) \|$`)
	totalRow = regexp.MustCompile(`(?m)^\| \*\*total\*\* \| \| \| \| \*\*([\d.]+)\*\* \|$`)
)

func wrongSums(table string) []error {
	var errs []error
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			errs = append(errs, err)
		}
		return n
	}
	sum := 0.0
	for _, m := range costRow.FindAllStringSubmatch(table, -1) {
		hours := map[string]float64{"hour": 730, "month": 1}[m[4]]
		want := fmt.Sprintf("%.2f", number(m[2])*number(m[3])*hours)
		if m[5] != want {
			errs = append(errs, fmt.Errorf("%s costs %s, not %s", m[1], want, m[5]))
		}
		sum += number(m[5])
	}
	total := totalRow.FindStringSubmatch(table)
	if total == nil || total[1] != fmt.Sprintf("%.2f", sum) {
		errs = append(errs, fmt.Errorf("the total is %.2f, not %v", sum, total))
	}
	return errs
}

// TestMachinesHaveWhatPagesRun: what pages tell to run on a machine is there, under the name that they give it.
func TestMachinesHaveWhatPagesRun(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	text := func(file string) string {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	machines := text("terraform/modules/database/templates/node.yaml.tftpl") + text("terraform/modules/consul/templates/server.yaml.tftpl")
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, filepath.Join(root, "terraform/README.md")) {
		name, err := filepath.Rel(root, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(\w+)\s+systemctl start\s+([a-z-]+)|(/usr/local/s?bin/[a-z-]+)`).FindAllStringSubmatch(text(name), -1) {
			found++
			if m[2] != "" && (m[1] != "sudo" || !strings.Contains(machines, "path: /etc/systemd/system/"+m[2]+".service")) {
				t.Errorf("%s: %s: no such unit, or not as root", name, m[0])
			}
			if m[3] != "" && !strings.Contains(machines, "path: "+m[3]+"\n") && !strings.Contains(machines, " "+m[3]+"\n") && !strings.Contains(machines, m[3]+" ") {
				t.Errorf("%s: no machine has %s", name, m[3])
			}
		}
	}
	if found < 4 {
		t.Errorf("pages run %d programs on machines, which cannot be all", found)
	}
}

// TestOneDatabaseRelease holds every file that names a release of CockroachDB to the same one: what Compose tries is
// what the example of AWS runs, and the readme asks for no older one.
func TestOneDatabaseRelease(t *testing.T) {
	t.Parallel()
	oneRelease(t, "v26.2.0", `v2\d\.\d+\.\d+`,
		"docker-compose.multiregion.yml", "terraform/terraform.tfvars.example", "terraform/variables.tf", "terraform/README.md",
		"docs/tutorials/from-postgresql-to-cockroachdb.md", "docs/how-to/run-with-compose.md", "docs/adr/0006-sql-on-two-engines.md")
}

// TestOneConsulRelease holds the agents of the clusters and the servers of AWS to one release: agents must not be newer.
func TestOneConsulRelease(t *testing.T) {
	t.Parallel()
	oneRelease(t, "1.22.7", `(?:newTag: |[Rr]elease |version (?:= "|\()|such as )(1\.\d+\.\d+)`,
		"deploy/k8s/base/kustomization.yaml", "docs/how-to/deploy-to-kubernetes.md", "terraform/terraform.tfvars.example", "terraform/variables.tf")
}

// oneRelease wants each file to name the release, and no other one that the pattern finds.
func oneRelease(t *testing.T, release, pattern string, files ...string) {
	t.Helper()
	version := regexp.MustCompile(pattern)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(deploytest.Root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		named := version.FindAllStringSubmatch(string(text), -1)
		if len(named) == 0 {
			t.Errorf("%s names no release", file)
		}
		for _, m := range named {
			if v := m[len(m)-1]; v != release {
				t.Errorf("%s names %s, others %s", file, v, release)
			}
		}
	}
}
