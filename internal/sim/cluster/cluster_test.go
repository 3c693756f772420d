package cluster_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
	"github.com/meridian-commerce/meridian/internal/sim/proc/postgres"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

// The environment variables that make the test's binary the parent of a whole simulation: its folder and network.
const (
	parentState = "CLUSTER_TEST_PARENT_STATE"
	parentNet   = "CLUSTER_TEST_PARENT_NET"
)

// TestMain lets the test's binary be the simulator's own parts, which a cluster runs as processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "gateway" || os.Args[1] == "bus") {
		os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	if dir := os.Getenv(parentState); dir != "" {
		beParent(dir)
	}
	os.Exit(m.Run())
}

func beParent(dir string) {
	number, err := strconv.Atoi(os.Getenv(parentNet))
	if err != nil {
		fmt.Println(parentNet, err)
		return
	}
	plan, err := topology.New(regions.Default(), number, 1)
	if err == nil {
		_, err = cluster.Start(context.Background(), cluster.Bare(cluster.Options{Plan: plan, StateDir: dir}))
	}
	fmt.Println("started", err)
	select {}
}

// lines is a writer that may be read while it is written to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// plan returns the addresses of a simulation on a network of its own.
func plan(t *testing.T) *topology.Plan {
	t.Helper()
	p, err := topology.New(regions.Default(), nettest.Network(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// folder returns a temporary folder that the database's user may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), o)
	skipWithoutServers(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func skipWithoutServers(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, cluster.ErrMissing) && os.Getenv(sqltest.RequireServers) == "" {
		t.Skip(err)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("%s: not so after five minutes", what)
}

// TestOneRegion: a simulation of one region starts, though there is no other that its parts could be told of.
func TestOneRegion(t *testing.T) {
	t.Parallel()
	set, err := regions.Parse(scenario.OneRegion())
	if err != nil {
		t.Fatal(err)
	}
	p, err := topology.New(set, nettest.Network(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	start(t, cluster.Bare(cluster.Options{Plan: p, StateDir: folder(t), Out: &lines{}, Seed: 1}))
}

func TestKillHealAndClose(t *testing.T) {
	t.Parallel()
	p, out := plan(t), &lines{}
	o := cluster.Bare(cluster.Options{Plan: p, StateDir: folder(t), Out: out, Seed: 1})
	c := start(t, o)

	t.Run("federated", func(t *testing.T) { testFederated(t, p) })
	t.Run("one at a time", func(t *testing.T) { testInUse(t, o) })
	t.Run("a part", func(t *testing.T) { testPart(t, c) })
	t.Run("a crash", func(t *testing.T) { testCrash(t, c, out) })
	t.Run("a region", func(t *testing.T) { testRegion(t, c) })
	t.Run("a hang", func(t *testing.T) { testHang(t, c) })
	t.Run("links", func(t *testing.T) { testLinks(t, c) })
	t.Run("a flap", func(t *testing.T) { testFlap(t, c) })
	t.Run("unknown", func(t *testing.T) {
		if _, err := c.Kill(t.Context(), "mars-1"); !errors.Is(err, cluster.ErrUnknownTarget) || !strings.Contains(err.Error(), "eu-west-1/redis") {
			t.Errorf("Kill of an unknown target: %v", err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		if n, err := c.Memory(); err != nil || n < 100<<20 || n > 2500<<20 {
			t.Errorf("Memory = %d MiB, %v", n>>20, err)
		}
	})

	pids := processes(c.Status(t.Context()))
	c.Close(t.Context())
	for name, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("%s (%d) outlives the simulation", name, pid)
		}
	}
	if err := cluster.CheckAddresses(t.Context(), cluster.Addresses(p)); err != nil {
		t.Error(err)
	}
}

func processes(s cluster.Status) map[string]int {
	pids := map[string]int{}
	for _, p := range s.Outside {
		pids[p.Name] = p.PID
	}
	for _, r := range s.Regions {
		for _, p := range r.Processes {
			pids[p.Name] = p.PID
		}
	}
	return pids
}

func testFederated(t *testing.T, p *topology.Plan) {
	t.Helper()
	eventually(t, "every Consul knows every data center", func() bool {
		for _, r := range p.Regions {
			var known []string
			res, err := http.Get("http://" + r.Consul + "/v1/catalog/datacenters")
			if err != nil {
				return false
			}
			err = json.NewDecoder(res.Body).Decode(&known)
			_ = res.Body.Close()
			if err != nil || len(known) != len(p.Regions) {
				return false
			}
		}
		return true
	})
}

func testInUse(t *testing.T, running cluster.Options) {
	t.Helper()
	if _, err := cluster.Start(t.Context(), running); !errors.Is(err, cluster.ErrStateInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the same folder: %v", err)
	}
	running.StateDir = folder(t)
	if _, err := cluster.Start(t.Context(), running); !errors.Is(err, cluster.ErrAddressInUse) || !strings.Contains(err.Error(), "--net") {
		t.Errorf("the same addresses: %v", err)
	}
}

func testPart(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	report, err := c.Kill(t.Context(), "us-east-1/redis")
	if err != nil || !slices.Equal(report.Processes, []string{"us-east-1/redis"}) || !report.LeasesMoveAt.IsZero() {
		t.Errorf("Kill = %+v, %v", report, err)
	}
	if _, err := c.Kill(t.Context(), "us-east-1/redis"); !errors.Is(err, cluster.ErrNotRunning) {
		t.Errorf("a second Kill = %v", err)
	}
	if s := c.Status(t.Context()).Regions[0]; s.Healthy || !s.Alive || s.Reason != "redis does not run" {
		t.Errorf("status = healthy %v, alive %v, %q", s.Healthy, s.Alive, s.Reason)
	}
	for range 2 { // healing what is well changes nothing
		if err := c.Heal(t.Context(), "us-east-1/redis"); err != nil {
			t.Error(err)
		}
	}
	if s := c.Status(t.Context()).Regions[0]; !s.Healthy {
		t.Errorf("after healing: %s", s.Reason)
	}
}

// TestDatabaseRestartedByHand: what is told to the model goes to whatever server runs.
func TestDatabaseRestartedByHand(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := start(t, cluster.Bare(cluster.Options{Plan: plan(t), StateDir: dir, Out: &lines{}, Seed: 1}))
	bin, err := postgres.Bin()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "postgres", "data")
	control := func(args ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "pg_ctl"), append(args, "--pgdata="+data, "--wait", "--silent", "--log="+filepath.Join(data, "by-hand.log"))...)
		cmd.Dir = data
		info, err := os.Stat(data)
		if err != nil {
			t.Fatal(err)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 { // as the user whose the data is
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pg_ctl %s: %v\n%s", args, err, out)
		}
	}
	control("restart", "--mode=fast")
	defer control("stop", "--mode=immediate") // the simulation did not start it, and so does not stop it
	if _, err := c.Kill(t.Context(), "eu-west-1"); err != nil {
		t.Errorf("the next fault: %v", err)
	}
	if s := c.Status(t.Context()).Regions[1]; s.Alive || s.Leaseholder != "us-east-1" {
		t.Errorf("status = %+v", s.RegionState)
	}
	heal(t, c, "eu-west-1")
}

func testCrash(t *testing.T, c *cluster.Cluster, out *lines) {
	t.Helper()
	pid := processes(c.Status(t.Context()))["ap-southeast-1/bus"]
	if err := syscall.Kill(pid, syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the crash is reported", func() bool { return strings.Contains(out.String(), "ap-southeast-1/bus ended unexpectedly") })
	if s := c.Status(t.Context()).Regions[2]; s.Healthy || !strings.Contains(s.Reason, "bus") {
		t.Errorf("status = %v, %q", s.Healthy, s.Reason)
	}
	if err := c.Heal(t.Context(), "ap-southeast-1/bus"); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func testRegion(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	// The role's password is the superuser's; only the gateway differs.
	u, err := url.Parse(c.DatabaseURL())
	if err != nil {
		t.Fatal(err)
	}
	r, _ := c.Plan().Lookup("eu-west-1")
	u.Host = r.Gateway
	session := connect(t, u.String())

	busy := make(chan error, 1)
	go func() {
		_, err := session.Exec(context.Background(), "SELECT pg_sleep(60)")
		busy <- err
	}()
	owner := connect(t, c.DatabaseURL())
	sleeping := func() bool {
		var n int
		err := owner.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE client_addr = $1 AND wait_event = 'PgSleep'", r.Host[:len(r.Host)-1]+"3").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}
	eventually(t, "the session is busy", sleeping)

	before := time.Now()
	report, err := c.Kill(t.Context(), "eu-west-1")
	if err != nil || len(report.Processes) != 4 || report.Sessions != 1 {
		t.Errorf("Kill = %+v, %v", report, err)
	}
	// The stall of 4 to 7 s began after before, and before what the report says.
	if report.LeasesMoveAt.Before(before.Add(4*time.Second)) || report.LeasesMoveAt.After(report.At.Add(7*time.Second)) {
		t.Errorf("leases move at %s; the region was killed between %s and %s", report.LeasesMoveAt, before, report.At)
	}
	if err := <-busy; err == nil {
		t.Error("a session through the lost gateway lives on")
	}
	eventually(t, "the server has let go of the lost session", func() bool { return !sleeping() })
	if err := c.Heal(t.Context(), "eu-west-1/redis"); !errors.Is(err, cluster.ErrRegionLost) {
		t.Errorf("healing a part of a lost region: %v", err)
	}
	s := c.Status(t.Context()).Regions[1]
	if s.Healthy || s.Alive || s.Leaseholder != "us-east-1" {
		t.Errorf("status = %+v", s.RegionState)
	}
	if err := c.Heal(t.Context(), "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	if s := c.Status(t.Context()).Regions[1]; !s.Healthy || s.Leaseholder != "eu-west-1" {
		t.Errorf("after healing: %q, %+v", s.Reason, s.RegionState)
	}
}

func TestNothingOutlivesAKilledParent(t *testing.T) {
	t.Parallel()
	p := plan(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentState+"="+folder(t), fmt.Sprintf("%s=%d", parentNet, p.Net))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	if strings.HasPrefix(said, "started "+cluster.ErrMissing.Error()) {
		skipWithoutServers(t, cluster.ErrMissing)
	}
	if said != "started <nil>\n" {
		t.Errorf("the parent says %q, %v", said, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	if err := cluster.CheckAddresses(t.Context(), cluster.Addresses(p)); err != nil {
		t.Error(err)
	}
}
