package compose_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/internal/deploy/compose"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/regions"
)

// variants are the ways to start the project, and the database parts that each region then has.
func variants() []variant {
	one, three := []string{"db-1", "db-1-wan"}, []string{"db-1", "db-1-wan", "db-2", "db-2-wan", "db-3", "db-3-wan"}
	return []variant{
		{"light", []string{baseFile}, one},
		{"full", []string{baseFile}, three},
		{"light", []string{baseFile, postgresFile}, nil},
		{"full", []string{baseFile, postgresFile}, nil},
	}
}

type variant struct {
	profile   string
	files     []string
	databases []string
}

// check returns what is wrong with variants of the tree at root.
func check(t *testing.T, root string, c *regions.Set, of ...variant) []string {
	t.Helper()
	var out []string
	for _, v := range of {
		p, err := resolve(t, root, v.profile, v.files...)
		if err != nil {
			return append(out, err.Error())
		}
		out = append(out, findings(p, c, v.databases)...)
		databases := 0
		for _, s := range p.Services {
			if strings.HasPrefix(s.Image, "cockroachdb/cockroach:") && s.Restart != "no" {
				databases++
			}
		}
		if want := len(v.databases) / 2 * len(c.All()); databases != want {
			out = append(out, "there are other database nodes")
		}
	}
	return out
}

func TestProjectIsTheCatalogs(t *testing.T) {
	t.Parallel()
	if out := check(t, deploytest.Root(t), regions.Default(), variants()...); len(out) > 0 {
		t.Error(strings.Join(out, "\n"))
	}
}

func TestFourRegions(t *testing.T) {
	t.Parallel()
	root := deploytest.Copy(t, baseFile, "deploy", "regions/regions.yaml")
	c := fourRegions(t, root)
	files, err := compose.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Write(root, files); err != nil {
		t.Fatal(err)
	}
	if out := check(t, root, c, variants()...); len(out) > 0 {
		t.Error(strings.Join(out, "\n"))
	}
}

// fourRegions puts a catalog of four regions into a copy of the tree.
func fourRegions(t *testing.T, root string) *regions.Set {
	t.Helper()
	text := deploytest.FourRegions(t)
	if err := os.WriteFile(filepath.Join(root, "regions", "regions.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := regions.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFindsMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, old, with, says string }{
		{"a misspelled key", baseFile, "stop_grace_period: 25s", "stop_grace_perod: 25s", "stop_grace_perod"},
		{"a misspelled dependency", baseFile, "prometheus: {condition: service_healthy}", "metrics: {condition: service_healthy}", "metrics"},
		{"a misspelled tag", postgresFile, "profiles: !override [cockroach]", "profiles: !overwrite [cockroach]", "there are other database nodes"},
		{"a variable without a default", baseFile, "${COCKROACH_LICENSE:-}", "${COCKROACH_LICENSE}", "COCKROACH_LICENSE"},
		{"an unknown command", baseFile, "command: [seed]", "command: [sed]", `unknown command "sed"`},
		{"an unknown subcommand", baseFile, "[keys, generate,", "[keys, make,", "meridian keys make"},
		{"an unknown flag", baseFile, "generate, --dir,", "generate, --folder,", "unknown flag: --folder"},
		{"an unknown key", baseFile, "MERIDIAN_EDGE_CONSUL:", "MERIDIAN_EDGE_CONSULS:", "MERIDIAN_EDGE_CONSULS names no configuration key"},
		{"a key that is missing", baseFile, "  MERIDIAN_ACCOUNT_DIRECTORY_KEY_FILE: /etc/meridian/keys/directory.key\n", "", "account.directory_key_file is not set"},
		{"a value of another type", baseFile, "FULFILL_AFTER: 5s", "FULFILL_AFTER: soon", "configuration cannot be read"},
		{"a key file that nobody makes", baseFile, "keys/directory.key", "keys/account.key", "nobody makes the key /etc/meridian/keys/account.key"},
		{"public keys that nobody makes", baseFile, "--out, /etc/meridian/public/jwks.json", "--out, /tmp/jwks.json", "nobody makes the key /etc/meridian/public/jwks.json"},
		{"public keys of nothing", baseFile, "[keys, public, --in, /etc/meridian/keys/auth.json", "[keys, public, --in, /etc/meridian/keys/keys.json", "public: nobody makes the key /etc/meridian/keys/keys.json"},
		{"keys that cannot be rotated", baseFile, "volumes: [keys:/etc/meridian/keys, public:/etc/meridian/public,", "volumes: [keys:/etc/meridian/keys:ro, public:/etc/meridian/public,", "rotate: it cannot replace the key /etc/meridian/keys/auth.json"},
		{"public keys that stay", baseFile, "- --public\n      - /etc/meridian/public/jwks.json", "- --public\n      - /tmp/jwks.json", "rotate: it cannot replace the key /tmp/jwks.json"},
		{"an edge that no Consul lists", baseFile, "MERIDIAN_ADMIN_LISTEN: 10.77.1.50:9090\n      MERIDIAN_CONSUL_ADDRESS: us1-consul:8500\n", "MERIDIAN_ADMIN_LISTEN: 10.77.1.50:9090\n", "us1-edge: no Consul lists it"},
		{"an edge that Consul does not reach", baseFile, "MERIDIAN_ADMIN_LISTEN: 10.77.1.50:9090", "MERIDIAN_ADMIN_LISTEN: 127.0.0.1:9090", "us1-edge: Consul cannot ask for its health"},
		{"an edge that could sign", baseFile, "network_mode: service:us1-edge-wan\n    volumes: [public:/etc/meridian/public:ro, ", "network_mode: service:us1-edge-wan\n    volumes: [public:/etc/meridian/public:ro, keys:/etc/meridian/keys:ro, ", "us1-edge: it holds keys"},
		{"a provider that is elsewhere", baseFile, "http://10.78.0.10:8080", "http://10.78.0.11:8080", "nobody listens at 10.78.0.11:8080"},
		{"another region's broker", baseFile, "KAFKA_BROKERS: us1-kafka:9092\n    network_mode: service:us1-stack-2-wan", "KAFKA_BROKERS: eu1-kafka:9092\n    network_mode: service:us1-stack-2-wan", "us1-stack-2: nobody listens at eu1-kafka:9092"},
		{"an edge that misses a region", baseFile, "MERIDIAN_EDGE_CONSUL: us-east-1=10.78.1.10:8500,", "MERIDIAN_EDGE_CONSUL: ", "it asks the Consul of [ap-southeast-1 eu-west-1]"},
		{"an address that nobody has", baseFile, "ADVERTISE: 10.78.2.61:8080", "ADVERTISE: 10.78.2.63:8080", "edges cannot reach it"},
		{"another delay", baseFile, "&us1-delays [10.78.0.0/16, 10.78.2.0/24=35ms", "&us1-delays [10.78.0.0/16, 10.78.2.0/24=70ms", "us1-edge-wan delays"},
		{"two at one address", baseFile, "aliases: [eu1-edge]}, wan: {ipv4_address: 10.78.2.50}", "aliases: [eu1-edge]}, wan: {ipv4_address: 10.78.2.10}", "are both at 10.78.2.10"},
		{"another locality", baseFile, "region=eu-west-1,zone=eu-west-1c", "region=us-east-1,zone=eu-west-1c", "eu1-db-3 says another locality"},
		{"a service that is in no catalog", baseFile, "services:\n", "services:\n  mr1-redis: {image: valkey/valkey:8.1.4-alpine}\n\n", "mr1-redis is of no region"},
		{"an open port", baseFile, "127.0.0.1:3000:3000", "3000:3000", "grafana: publishes port 3000"},
		{"a port open by address", baseFile, "127.0.0.1:8082:8080", "0.0.0.0:8082:8080", "eu1-edge-wan: publishes port 8082"},
		{"a file that does not exist", baseFile, "./deploy/compose/cockroach-init.sh", "./deploy/compose/roach-init.sh", "mounts a file that does not exist"},
		{"a mount that may be written", baseFile, "prometheus.yml:ro", "prometheus.yml", "may write to"},
		{"health that nobody checks", baseFile, "  healthcheck: {test: [CMD, valkey-cli, ping], <<: *check}\n", "", "waits for the health of us1-redis"},
		{"a job that never ends", baseFile, "restart: \"no\"\n  healthcheck", "restart: always\n  healthcheck", "waits for the end of seed"},
		{"a service that stays away", baseFile, "x-redis: &redis\n  <<: *locked\n", "x-redis: &redis\n  <<: *locked\n  restart: on-failure\n", "us1-redis: does not come back"},
		{"a sidecar that stays away", postgresFile, "restart: unless-stopped\n    init: true", "restart: \"no\"\n    init: true", "us1-postgres-wan: does not come back"},
		{"a database that forgets", baseFile, "volumes: [\"eu1-db-1:/cockroach/cockroach-data\"]", "tmpfs: [/cockroach/cockroach-data]", "eu1-db-1: comes back without"},
		{"a sidecar without room for its rules", postgresFile, "mem_limit: 64m", "mem_limit: 16m", "us1-postgres-wan: may use"},
		{"an image without a version", baseFile, "grafana/grafana:12.2.1", "grafana/grafana", "its image has no version"},
		{"privileges", baseFile, "  security_opt: [\"no-new-privileges:true\"]\n", "", "may gain privileges"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := deploytest.Copy(t, baseFile, "deploy", "regions/regions.yaml")
			deploytest.Replace(t, filepath.Join(root, tc.file), tc.old, tc.with)
			out := check(t, root, regions.Default(), variants()[map[string]int{baseFile: 1, postgresFile: 2}[tc.file]])
			if !slices.ContainsFunc(out, func(s string) bool { return strings.Contains(s, tc.says) }) {
				t.Errorf("want %q, found:\n%s", tc.says, strings.Join(out, "\n"))
			}
		})
	}
}

// TestVersionsAreThoseThatRanHere wants the images to be of the versions that other tests run or check with.
func TestVersionsAreThoseThatRanHere(t *testing.T) {
	t.Parallel()
	root := deploytest.Root(t)
	text, err := os.ReadFile(filepath.Join(root, baseFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ module, pattern, image string }{
		{"tools/consul/go.mod", `hashicorp/consul v(\S+)`, "hashicorp/consul:%s\n"},
		{"tools/prometheus/go.mod", `prometheus/prometheus v0\.3(\d\d)\.0`, "prom/prometheus:v3.%s.0\n"}, // a module's version is 0.3xx for 3.xx
	} {
		module, err := os.ReadFile(filepath.Join(root, tc.module))
		if err != nil {
			t.Fatal(err)
		}
		version := regexp.MustCompile(tc.pattern).FindSubmatch(module)
		if version == nil {
			t.Fatalf("%s pins nothing like %s", tc.module, tc.pattern)
		}
		if want := fmt.Sprintf(tc.image, version[1]); strings.Count(string(text), want) != 1 {
			t.Errorf("%s does not run %s", baseFile, want)
		}
	}
}

// TestVolumesBelongToTheProduct: Docker gives a new volume the owner of the image's folder where it is mounted, and
// makes one of root's where there is none.
func TestVolumesBelongToTheProduct(t *testing.T) {
	t.Parallel()
	p, err := resolve(t, deploytest.Root(t), "light", baseFile)
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(deploytest.Root(t), "deploy/docker/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if out := unowned(p, string(image)); len(out) > 0 {
		t.Error(out)
	}
	if out := unowned(p, strings.Replace(string(image), " /out/etc/public", "", 1)); !slices.Equal(out, []string{"public may not write to /etc/meridian/public", "rotate may not write to /etc/meridian/public"}) {
		t.Errorf("a folder that is not made: %v", out)
	}
}

// unowned returns the volumes that processes of the product write to and that the image does not give to their user.
func unowned(p *project, image string) []string {
	var folders, out []string
	for _, m := range regexp.MustCompile(`(?m)^COPY --from=build --chown=65532:65532 (\S+) (\S+)$`).FindAllStringSubmatch(image, -1) {
		for _, made := range regexp.MustCompile(`/out/\S+`).FindAllString(regexp.MustCompile(`(?m)^RUN mkdir -p .*$`).FindString(image), -1) {
			if below, ok := strings.CutPrefix(made, m[1]); ok {
				folders = append(folders, m[2]+below)
			}
		}
	}
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if strings.HasPrefix(s.Image, "meridian:") && v.Type == "volume" && !v.ReadOnly && !slices.Contains(folders, v.Target) {
				out = append(out, name+" may not write to "+v.Target)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestFindsAMissingRegion(t *testing.T) {
	t.Parallel()
	root := deploytest.Copy(t, baseFile, "deploy", "regions/regions.yaml")
	c := fourRegions(t, root)
	if out := check(t, root, c, variants()[0]); !slices.Contains(out, "sa-east-1 has no edge") || !slices.Contains(out, "sa-east-1 has no network") {
		t.Errorf("found:\n%s", strings.Join(out, "\n"))
	}
}
