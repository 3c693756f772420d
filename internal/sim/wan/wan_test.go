package wan_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/internal/sim/wan"
	"github.com/meridian-commerce/meridian/regions"
)

const us, eu = regions.Name("us-east-1"), regions.Name("eu-west-1")

// world is a WAN with an echo server in the place of every Consul.
type world struct {
	plan    *topology.Plan
	network *wan.Network
}

func open(t *testing.T) *world {
	t.Helper()
	plan, err := topology.New(regions.Default(), nettest.Network(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range plan.Regions {
		echo(t, r.Consul)
	}
	network, err := wan.Open(plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	return &world{plan: plan, network: network}
}

func echo(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
}

func (w *world) dial(t *testing.T, from, to regions.Name) net.Conn {
	t.Helper()
	a, _ := w.plan.Lookup(from)
	b, _ := w.plan.Lookup(to)
	conn, err := net.Dial("tcp", w.plan.Across(a, b, b.Consul))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask returns how long an echo took, or its error.
func ask(conn net.Conn, patience time.Duration) (time.Duration, error) {
	begun := time.Now()
	if err := conn.SetDeadline(begun.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("hello\n")); err != nil {
		return 0, err
	}
	_, err := bufio.NewReader(conn).ReadString('\n')
	return time.Since(begun), err
}

func TestRoundTripIsTheDeclaredOne(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, from := range w.plan.Regions {
		for _, to := range w.plan.Regions {
			conn := w.dial(t, from.Name, to.Name)
			rtt := w.plan.Catalog.RTT(from.Name, to.Name)
			// A busy machine makes some answers late. None is early, and the least of as many as it takes is in time.
			for took := time.Hour; took > rtt+20*time.Millisecond; {
				var err error
				if took, err = ask(conn, time.Minute); err != nil {
					t.Fatal(err)
				}
				t.Logf("%s to %s: %s, declared %s", from.Name, to.Name, took, rtt)
				if took < rtt-rtt%time.Millisecond {
					t.Errorf("%s to %s: %s, declared %s", from.Name, to.Name, took, rtt)
				}
			}
		}
	}
}

func TestBlackholeIsOneWayAndHeals(t *testing.T) {
	t.Parallel()
	w := open(t)
	before := w.dial(t, eu, us)
	if _, err := ask(before, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := w.network.Break(wan.Link{From: us, To: eu}, wan.Fault{Kind: wan.Blackhole}); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	for what, conn := range map[string]net.Conn{"an open connection": before, "a new connection": w.dial(t, eu, us), "the other way": w.dial(t, us, eu)} {
		if _, err := ask(conn, 300*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s, answers or questions lost: %v", what, err)
		}
	}
	if got := w.network.Faults(); len(got) != 1 {
		t.Errorf("Faults() = %v", got)
	}
	if err := w.network.Rejoin(eu); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(w.dial(t, eu, us), time.Minute); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

// cut cuts both directions between the regions of a test.
func cut(n *wan.Network) error {
	fault := wan.Fault{Kind: wan.Cut}
	return errors.Join(n.Break(wan.Link{From: eu, To: us}, fault), n.Break(wan.Link{From: us, To: eu}, fault))
}

func TestCutClosesAndRefuses(t *testing.T) {
	t.Parallel()
	w := open(t)
	conn := w.dial(t, eu, us)
	if _, err := ask(conn, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := cut(w.network); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(conn, time.Minute); err == nil {
		t.Error("an open connection survives")
	}
	a, _ := w.plan.Lookup(eu)
	b, _ := w.plan.Lookup(us)
	if c, err := net.Dial("tcp", w.plan.Across(a, b, b.Consul)); err == nil {
		_ = c.Close()
		t.Error("a new connection opens")
	}
	if err := w.network.Rejoin(us); err != nil {
		t.Fatal(err)
	}
	for _, l := range []wan.Link{{From: eu, To: us}, {From: us, To: eu}} {
		if _, err := ask(w.dial(t, l.From, l.To), time.Minute); err != nil {
			t.Errorf("after rejoining, %s to %s: %v", l.From, l.To, err)
		}
	}
}

func TestDeadEndpointsRefuse(t *testing.T) {
	t.Parallel()
	w := open(t)
	a, _ := w.plan.Lookup(eu)
	b, _ := w.plan.Lookup(us)
	refused := func() bool {
		conn, err := net.Dial("tcp", w.plan.Across(a, b, b.Consul))
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	conn := w.dial(t, eu, us)
	if _, err := ask(conn, time.Minute); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		what    string
		do      func() error
		refused bool
	}{
		{"dead", func() error { return w.network.Dead(b.Consul, true) }, true},
		{"cut, too", func() error { return cut(w.network) }, true},
		{"rejoined, still dead", func() error { return w.network.Rejoin(us) }, true},
		{"alive", func() error { return w.network.Dead(b.Consul, false) }, false},
		{"another is dead", func() error { return w.network.Dead(b.Stacks[0].Addr, true) }, false},
	}
	for _, step := range steps {
		if err := step.do(); err != nil || refused() != step.refused {
			t.Errorf("%s: refused %v, %v", step.what, !step.refused, err)
		}
	}
	if _, err := ask(conn, time.Minute); err == nil {
		t.Error("a connection outlives its far end")
	}
	if _, err := ask(w.dial(t, eu, us), time.Minute); err != nil {
		t.Errorf("alive again: %v", err)
	}
}

func TestSlowAddsToOneWay(t *testing.T) {
	t.Parallel()
	w := open(t)
	if err := w.network.Break(wan.Link{From: eu, To: us}, wan.Fault{Kind: wan.Slow, Extra: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if took, err := ask(w.dial(t, eu, us), time.Minute); err != nil || took < 170*time.Millisecond {
		t.Errorf("slow by 100 ms one way: %s, %v", took, err)
	}
	if err := w.network.Break(wan.Link{From: eu, To: us}, wan.Fault{Kind: wan.Slow}); err == nil {
		t.Error("slow by nothing is accepted")
	}
	if err := w.network.Break(wan.Link{From: eu, To: "mars-1"}, wan.Fault{Kind: wan.Cut}); !errors.Is(err, wan.ErrUnknownLink) {
		t.Errorf("an unknown link: %v", err)
	}
}

func TestDoor(t *testing.T) {
	t.Parallel()
	w := open(t)
	door, err := wan.OpenDoor(w.plan.Regions[0].Consul)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(door.Close)
	enter := func() net.Conn {
		conn, err := net.Dial("tcp", door.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	before := enter()
	if _, err := ask(before, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := door.Lose(); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	for what, conn := range map[string]net.Conn{"an open connection": before, "a new one": enter()} {
		if _, err := ask(conn, 300*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s through a lost door: %v", what, err)
		}
	}
	if err := door.Restore(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(enter(), time.Minute); err != nil {
		t.Errorf("restored: %v", err)
	}
}
