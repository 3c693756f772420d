package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/control"
	"github.com/meridian-commerce/meridian/regions"
)

// section returns what a page has between two marks.
func section(t *testing.T, page, mark string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	between := regexp.MustCompile("(?s)<!-- " + mark + " -->(.*)<!-- /" + mark + " -->").FindSubmatch(text)
	if between == nil {
		t.Fatalf("%s has no %q", page, mark)
	}
	return string(between[1])
}

// script returns the shell commands of a section, for a simulation at another offset. That something is broken makes
// `status` exit with 3, which is no failure of a tutorial that breaks things.
func script(text, program string, offset int) string {
	out := strings.ReplaceAll(strings.Join(blocks(text), ""), "http://127.0.", fmt.Sprintf("http://127.%d.", offset))
	out = regexp.MustCompile(`bin/meridian-sim (.*)`).ReplaceAllString(out, fmt.Sprintf("%s $1 --net %d", program, offset))
	return regexp.MustCompile(`(?m) status --net \d+$`).ReplaceAllString(out, "$0 || [ $$? -eq 3 ]")
}

// serveControl has a simulation take commands, until the test ends.
func serveControl(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	addr := c.Plan().Control
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: control.Handler(c, addr), ReadHeaderTimeout: time.Hour}
	go func() { _ = server.Serve(l) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
}

func TestFirstFailover(t *testing.T) {
	t.Parallel()
	const page = "http://localhost:5173"
	c := startWith(t, "", func(o *cluster.Options) { o.Origins = []string{page} })
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	serveControl(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	commands := script(section(t, "docs/tutorials/your-first-failover.md", "try"), filepath.Join(folder, "meridian-sim"), c.Plan().Net)
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", commands)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := 0
	for _, want := range []string{
		`"sku":"BOK-01-HARDCOVER"`, "Meridian-Route: home", "killed eu-west-1: ", "its leases move in", " lost ",
		"HTTP/1.1 200 OK", "Meridian-Route: failover", `"id":"ord_eu1_`, "with us-east-1       0 of", "eu-west-1 is well", "the same order",
	} {
		i := bytes.Index(out[at:], []byte(want))
		if i < 0 {
			t.Fatalf("the commands did not print %q, or not in its place:\n%s", want, out)
		}
		at += i
	}
	imports(t, c, folder)
	preflights(t, c, page)
}

// imports has the how-to's command fill the simulation with somebody's own products, which every region then sells.
func imports(t *testing.T, c *cluster.Cluster, folder string) {
	t.Helper()
	dir := t.TempDir()
	const file = "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\nkohl,Kohl,KOHL-1,9,12.50\n"
	if err := os.WriteFile(filepath.Join(dir, "products.csv"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(section(t, "docs/how-to/run-the-simulation.md", "import"))
	if blocks == nil {
		t.Fatal("the how-to shows no command")
	}
	config := fmt.Sprintf("%s/meridian-sim config --net %d", folder, c.Plan().Net)
	command := strings.NewReplacer("bin/meridian-sim config", config, "bin/meridian ", folder+"/meridian ").Replace(blocks[1])
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", command)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("1 products, 1 of them new or changed")) {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	for _, r := range c.Plan().Regions {
		visitor := &shopper{t: t, edge: "http://" + r.Edge}
		if err := visitor.product("kohl"); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}

// preflights asks every edge what a browser asks before a page of another origin places an order.
func preflights(t *testing.T, c *cluster.Cluster, page string) {
	t.Helper()
	for _, r := range c.Plan().Regions {
		for origin, want := range map[string]string{page: page, "https://evil.example": ""} {
			q, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+r.Edge+orderv1connect.OrderServicePlaceOrderProcedure, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			q.Header = http.Header{
				"Origin": {origin}, "Access-Control-Request-Method": {"POST"},
				"Access-Control-Request-Headers": {"authorization,content-type,idempotency-key"},
			}
			res, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != http.StatusNoContent || got != want {
				t.Errorf("%s, a page of %s: %d, allowed is %q", r.Name, origin, res.StatusCode, got)
			}
		}
	}
}

func TestTutorialsFourthRegion(t *testing.T) {
	t.Parallel()
	entry := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(section(t, "docs/tutorials/adding-a-region.md", "entry"))
	if entry == nil {
		t.Fatal("the tutorial shows no entry")
	}
	text := strings.Replace(string(regions.DefaultYAML()), "# A residency group", entry[1]+"# A residency group", 1)
	catalog, err := regions.Parse([]byte(text))
	if err != nil || len(catalog.Names()) != 4 {
		t.Fatalf("%v, %v", catalog, err)
	}
	if text != string(deploytest.FourRegions(t)) {
		t.Errorf("the tutorial's region is not the one that a simulation of four regions runs with:\n%s", text)
	}
}
