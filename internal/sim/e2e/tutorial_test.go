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
	c := start(t, "")
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
