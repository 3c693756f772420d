package infrastructure

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/regions"
)

// TestMain keeps the folder that tfcheck is built into, and colors out of what terraform prints.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "infrastructure-")
	if err != nil {
		panic(err)
	}
	build.dir = dir
	for name, value := range map[string]string{"TF_CLI_ARGS": "-no-color", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"} {
		os.Setenv(name, value)
	}
	os.Unsetenv("TF_CLI_CONFIG_FILE")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var build struct { // tfcheck, built once
	once sync.Once
	dir  string
	out  string
	err  error
}

// copied returns a copy of the configuration and of what it reads.
func copied(t *testing.T) string {
	t.Helper()
	return deploytest.Copy(t, "terraform", "regions", "deploy/prometheus/rules", "deploy/k8s/global-view")
}

// terraform skips the test where terraform is not in PATH: neither Debian nor a Go module has it.
func terraform(t *testing.T) string {
	t.Helper()
	file, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("SKIPPED: terraform is not in PATH; formatting and lint are checked without it, the rest is not")
	}
	return file
}

// tfcheck runs terraform in a copy of dir, with stubs that serve the providers' published schemas. It is a tool beside
// the repository, and the test is skipped without it: the providers themselves cannot be had from a package registry.
func tfcheck(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	terraform(t)
	source := filepath.Join(deploytest.Root(t), "..", "shared", "tools", "tfcheck")
	if _, err := os.Stat(filepath.Join(source, "go.mod")); err != nil {
		t.Skip("SKIPPED: ../shared/tools/tfcheck is not there; run `terraform init && terraform validate && terraform test` in terraform/ instead")
	}
	build.once.Do(func() {
		build.out, build.err = deploytest.Run(context.Background(), source, "go", "build", "-o", filepath.Join(build.dir, "tfcheck"), ".")
	})
	if build.err != nil {
		t.Fatalf("build tfcheck: %v\n%s", build.err, build.out)
	}
	return deploytest.Run(t.Context(), dir, filepath.Join(build.dir, "tfcheck"), append([]string{"run", dir}, args...)...)
}

// plan plans the configuration in root/terraform with the variables of testdata.
func plan(t *testing.T, root, variables string) *Plan {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan")
	values, err := filepath.Abs(filepath.Join("testdata", variables))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "terraform")
	if out, err := tfcheck(t, dir, "plan", "-input=false", "-lock=false", "-var-file="+values, "-out="+file); err != nil {
		t.Fatalf("terraform plan: %v\n%s", err, last(out))
	}
	text, err := tfcheck(t, dir, "show", "-json", file)
	if err != nil {
		t.Fatalf("terraform show: %v\n%s", err, last(text))
	}
	_, text, _ = strings.Cut(text, "{") // after what tfcheck says of itself
	p, err := ReadPlan(strings.NewReader("{" + text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"terraform", "terraform/bootstrap"} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			if out, err := tfcheck(t, filepath.Join(deploytest.Root(t), dir), "validate"); err != nil {
				t.Errorf("terraform validate: %v\n%s", err, out)
			}
		})
	}
}

func TestMisspeltArgumentIsFound(t *testing.T) {
	t.Parallel()
	root := copied(t)
	deploytest.Replace(t, filepath.Join(root, "terraform/modules/region/cache.tf"), "multi_az_enabled           =", "multi_zone_enabled         =")
	out, err := tfcheck(t, filepath.Join(root, "terraform"), "validate")
	if err == nil || !strings.Contains(out, `An argument named "multi_zone_enabled" is not expected here`) {
		t.Errorf("terraform validate: %v\n%s", err, out)
	}
}

// TestPlan plans three regions with every default, and four, from the catalog alone, with everything that can be chosen.
func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, variables string
		catalog         []byte
	}{
		{"three", "dev.tfvars", regions.DefaultYAML()},
		{"four", "prod.tfvars", deploytest.FourRegions(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			catalog, err := regions.Parse(c.catalog)
			if err != nil {
				t.Fatal(err)
			}
			root := copied(t)
			if err := os.WriteFile(filepath.Join(root, "regions/regions.yaml"), c.catalog, 0o600); err != nil {
				t.Fatal(err)
			}
			p := plan(t, root, c.variables)
			for _, finding := range findings(p, catalog) {
				t.Error(finding)
			}
			for kind, each := range map[string]int{
				"aws_vpc": 1, "aws_eks_cluster": 1, "aws_elasticache_replication_group": 1, "aws_eks_node_group": 3, "aws_ebs_volume": 3,
				"aws_instance": 6, "aws_cloudwatch_dashboard": 1, "aws_flow_log": 1, "aws_s3_bucket": 1,
			} {
				if got, want := len(p.managed(kind)), each*len(catalog.Names()); got != want {
					t.Errorf("%d of %s, want %d", got, kind, want)
				}
			}
		})
	}
}

// TestMistakesArePlanned plants a mistake of each kind where no output shows it, and wants each to be found in the plan.
func TestMistakesArePlanned(t *testing.T) {
	t.Parallel()
	root := copied(t)
	in := func(file string) string { return filepath.Join(root, "terraform", file) }
	deploytest.Replace(t, in("modules/database/main.tf"), `resource "aws_instance" "node" {`, `resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = var.regions

  region            = each.key
  security_group_id = each.value.security_groups["database"]
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_instance" "node" {`)
	deploytest.Replace(t, in("modules/database/main.tf"), "    encrypted   = true\n", "    encrypted   = false\n")
	deploytest.Replace(t, in("modules/region/cache.tf"), "  name       = var.name\n  region     = var.region\n", "  name       = var.name\n")
	deploytest.Replace(t, in("modules/consul/main.tf"), `resource "aws_route53_record" "servers" {
  for_each = var.regions
`, `resource "aws_sns_topic" "some" {
  for_each = toset(["us-east-1", "eu-west-1"])

  region            = each.key
  name              = "some"
  kms_master_key_id = "key"
}

resource "aws_route53_record" "servers" {
  for_each = var.regions
`)
	deploytest.Replace(t, in("modules/region/eks.tf"), `"aws_vpc_security_group_ingress_rule" "operators" {`, `"aws_vpc_security_group_egress_rule" "operators" {`)
	deploytest.Replace(t, in("modules/region/eks.tf"), "  version         = aws_eks_cluster.this.version # after the control plane, and to the same\n", "")
	deploytest.Replace(t, in("modules/region/edge.tf"), "= var.internal\n", "= false\n")
	deploytest.Replace(t, in("modules/firewall/main.tf"), `    { group = "database", port = 8080, from = "pods", why = "metrics for Prometheus" },`+"\n", "")
	deploytest.Replace(t, in("modules/consul/main.tf"), "  name    = local.names[each.key]\n", "  name    = \"servers.${each.key}\"\n")
	deploytest.Replace(t, in("modules/firewall/main.tf"), "port = 8080, from = \"remote_pods\"", "port = 9090, from = \"remote_pods\"")
	got := strings.Join(findings(plan(t, root, "dev.tfvars"), regions.Default()), "\n")
	for _, want := range []string{
		`module.database.aws_vpc_security_group_ingress_rule.ssh["eu-west-1"]: [tcp] [22]-[22] is open to 0.0.0.0/0`,
		`module.database.aws_instance.node["eu-west-1a"]: root_block_device.encrypted is false, want true`,
		`module.region["eu-west-1"].aws_elasticache_subnet_group.this: does not say its region`,
		`eu-west-1: operators through the tunnel to Kubernetes: there is no rule `,
		`module.consul.aws_sns_topic.some: 0 in ap-southeast-1, 1 in another region`,
		`eu-west-1: Prometheus to database.eu-west-1.meridian.internal at 8080: there is no rule `,
		`eu-west-1: Prometheus to consul.eu-west-1.meridian.internal at 8501: nothing has that name`,
		`["nodes-tcp-9090-pods-us-east-1"]: lets another region scrape`,
		`module.region["eu-west-1"].aws_eks_node_group.this["eu-west-1a"]: is of version`,
		`module.region["eu-west-1"].aws_lb.edge: internal is false`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not found: %s\nfindings:\n%s", want, got)
		}
	}
}

func findings(p *Plan, catalog *regions.Set) []string {
	return slices.Concat(OpenPorts(p), Unencrypted(p), Uneven(p, catalog), Unreachable(p, catalog), Unscraped(p, catalog), Skewed(p), Entered(p), Refused(p))
}

// TestTerraformTests runs terraform's own tests, also with a fourth region in the catalog.
func TestTerraformTests(t *testing.T) {
	t.Parallel()
	t.Run("three", func(t *testing.T) {
		t.Parallel()
		if out, err := tfcheck(t, filepath.Join(deploytest.Root(t), "terraform"), "test"); err != nil {
			t.Errorf("terraform test: %v\n%s", err, last(out))
		}
	})
	t.Run("four", func(t *testing.T) {
		t.Parallel()
		root := copied(t)
		if err := os.WriteFile(filepath.Join(root, "regions/regions.yaml"), deploytest.FourRegions(t), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := tfcheck(t, filepath.Join(root, "terraform"), "test", "-filter=tests/plan.tftest.hcl"); err != nil {
			t.Errorf("terraform test: %v\n%s", err, last(out))
		}
	})
}

// TestTerraformTestsFindMistakes plants mistakes for terraform's own tests.
func TestTerraformTestsFindMistakes(t *testing.T) {
	t.Parallel()
	type mistake struct{ file, old, with string }
	for _, c := range []struct {
		name, tests string
		mistakes    []mistake
		want        []string
	}{
		{"a region is left out", "plan", []mistake{
			{"regions.tf", "[2])\n  } }", "[2])\n  } if r.name != \"eu-west-1\" }"},
		}, []string{"the regions are not those of the catalog", "a region of the catalog lacks a part"}},
		{"open and in the clear", "plan", []mistake{
			{"modules/firewall/main.tf", "  ingress = [\n", "  ingress = [\n    { group = \"database\", port = 22, from = \"internet\", why = \"a mistake\" },\n"},
			{"modules/database/main.tf", "  encrypted         = true\n", "  encrypted         = false\n"},
			{"modules/firewall/main.tf", "port = 8501", "port = 8500"},
			{"modules/consul/main.tf", "local.names[region], \"localhost\"", "\"localhost\""},
		}, []string{"open to the Internet: ", "a database volume is not encrypted", "Consul is asked in clear text", "certificate does not name it"}},
		{"no license", "refused", []mistake{
			{"variables.tf", `can(regex("^crl-[A-Za-z0-9_=+/-]{16,}$", var.cockroach_license))`, `var.cockroach_license != "none"`},
		}, []string{"var.cockroach_license, was expected to report an error"}},
		{"an old database", "refused", []mistake{
			{"variables.tf", `|26\\.[01])\\.`, `)\\.`},
		}, []string{"var.cockroach_release, was expected to report an error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := copied(t)
			for _, m := range c.mistakes {
				deploytest.Replace(t, filepath.Join(root, "terraform", m.file), m.old, m.with)
			}
			out, err := tfcheck(t, filepath.Join(root, "terraform"), "test", "-filter=tests/"+c.tests+".tftest.hcl")
			if err == nil {
				t.Error("terraform test passes with mistakes")
			}
			said := strings.Join(strings.Fields(out), " ") // terraform breaks lines where it likes
			for _, want := range c.want {
				if !strings.Contains(said, strings.TrimSpace(want)) {
					t.Errorf("not said: %s\n%s", want, last(out))
				}
			}
		})
	}
}

// last returns the end of what a program printed.
func last(text string) string { return text[max(0, len(text)-6000):] }
