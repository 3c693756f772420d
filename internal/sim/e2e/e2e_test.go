package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

const root = "../../.."

// built is the folder of programs, "" before they are built.
var built string

// programs builds both programs once, into a folder that TestMain removes.
var programs = sync.OnceValues(func() (string, error) {
	out, err := os.MkdirTemp("", "meridian-e2e-")
	if err != nil {
		return "", err
	}
	built = out
	// Without paths, what `make build` and a clone elsewhere compiled is the same and compiled once.
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./cmd/meridian", "./cmd/meridian-sim")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return out, fmt.Errorf("build: %w\n%s", err, text)
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// start runs a simulation of a catalog for the length of a test, on a network of its own.
func start(t *testing.T, regionsFile string, env ...string) *cluster.Cluster {
	t.Helper()
	return startWith(t, regionsFile, func(o *cluster.Options) { o.Env = env })
}

// startWith is start with options that depend on the plan.
func startWith(t *testing.T, regionsFile string, with func(*cluster.Options)) *cluster.Cluster {
	t.Helper()
	folder, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	catalog := regions.Default()
	if regionsFile != "" {
		if catalog, err = regions.Load(regionsFile); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := topology.New(catalog, nettest.Network(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	options := cluster.Options{
		Plan: plan, RegionsFile: regionsFile, Seed: 1, Out: &progress,
		Meridian: filepath.Join(folder, "meridian"), Simulator: filepath.Join(folder, "meridian-sim"),
	}
	with(&options)
	c, err := cluster.Start(t.Context(), options)
	if errors.Is(err, cluster.ErrMissing) && os.Getenv(sqltest.RequireServers) == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	t.Cleanup(func() {
		c.Close(context.Background())
		if t.Failed() {
			t.Log(progress.String())
		}
	})
	return c
}

// quickstart returns README's commands, for a simulation at another offset.
func quickstart(t *testing.T, offset int) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- quickstart -->.*?```sh\n(.*?)```.*?<!-- /quickstart -->").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no quickstart")
	}
	return strings.ReplaceAll(string(block[1]), "http://127.0.", fmt.Sprintf("http://127.%d.", offset))
}

func TestReadmeQuickstart(t *testing.T) {
	t.Parallel()
	traces, endpoint := newCollector(t)
	c := start(t, "", "MERIDIAN_OTLP_ENDPOINT="+endpoint)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", quickstart(t, c.Plan().Net))
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`"sku":"BOK-01-HARDCOVER"`, `"state":"ORDER_STATE_PENDING_PAYMENT"`, `"id":"ord_eu1_`, "\nidentical\n",
		"event: pending_payment", "event: confirmed", "event: fulfilled",
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the commands did not print %q:\n%s", want, out)
		}
	}
	const place = "/meridian.order.v1.OrderService/PlaceOrder"
	traces.awaitTrace(t, "meridian-edge: "+place, "meridian: "+place, "meridian: INSERT", "meridian: payment authorizing", "meridian-sandbox-provider:")
}
