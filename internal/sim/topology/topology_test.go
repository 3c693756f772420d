package topology_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sim/topology"
	"github.com/meridian-commerce/meridian/regions"
)

func plan(t *testing.T, net, stacks int) *topology.Plan {
	t.Helper()
	p, err := topology.New(regions.Default(), net, stacks)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanOfARegion(t *testing.T) {
	t.Parallel()
	got, ok := plan(t, 7, 2).Lookup("eu-west-1")
	if !ok {
		t.Fatal("eu-west-1 is not planned")
	}
	want := topology.Region{
		Name: "eu-west-1", Number: 2, Host: "127.7.2.1", Consul: "127.7.2.1:8500", Redis: "127.7.2.2:6379",
		Gateway: "127.7.2.3:26257", Bus: "127.7.2.4:9092", Edge: "127.7.2.10:8080", EdgeAdmin: "127.7.2.10:9090",
		Stacks: []topology.Stack{
			{Name: "eu-west-1-stack-1", Addr: "127.7.2.11:8080", Admin: "127.7.2.11:9090"},
			{Name: "eu-west-1-stack-2", Addr: "127.7.2.12:8080", Admin: "127.7.2.12:9090"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, net := range []int{-1, 251} {
		if _, err := topology.New(regions.Default(), net, 1); !errors.Is(err, topology.ErrOffset) {
			t.Errorf("offset %d: %v", net, err)
		}
	}
	for _, stacks := range []int{0, 10} {
		if _, err := topology.New(regions.Default(), 0, stacks); err == nil {
			t.Errorf("%d stacks are accepted", stacks)
		}
	}
}

// The translation that an edge applies leads to the address at which the WAN listens for it.
func TestAcrossIsTheTranslatedAddress(t *testing.T) {
	t.Parallel()
	p := plan(t, 7, 1)
	eu, _ := p.Lookup("eu-west-1")
	ap, _ := p.Lookup("ap-southeast-1")
	if got := p.Across(eu, eu, eu.Consul); got != eu.Consul {
		t.Errorf("at home: %s", got)
	}
	if got, want := p.Across(eu, ap, ap.Stacks[0].Addr), "127.7.35.11:8080"; got != want {
		t.Errorf("Across = %s, want %s", got, want)
	}
	if diff := cmp.Diff([]string{"127.7.1.0/24=127.7.33.0/24", "127.7.3.0/24=127.7.35.0/24"}, p.NAT(eu)); diff != "" {
		t.Errorf("NAT (-want +got):\n%s", diff)
	}
}

// No two addresses of a plan are the same, and none is outside of the plan's own /16.
func TestAddressesAreDistinct(t *testing.T) {
	t.Parallel()
	p := plan(t, 7, 9)
	all := []string{p.Database, p.Provider, p.ProviderAdmin, p.Control}
	for _, r := range p.Regions {
		all = append(all, r.Consul, r.Redis, r.Gateway, r.Bus, r.Edge, r.EdgeAdmin)
		for _, s := range r.Stacks {
			all = append(all, s.Addr, s.Admin)
			for _, from := range p.Regions {
				if from.Number != r.Number {
					all = append(all, p.Across(from, r, s.Addr))
				}
			}
		}
	}
	own, seen := netip.MustParsePrefix("127.7.0.0/16"), map[string]bool{}
	for _, addr := range all {
		if seen[addr] || !own.Contains(netip.MustParseAddrPort(addr).Addr()) {
			t.Errorf("%s is planned twice or outside of %s", addr, own)
		}
		seen[addr] = true
	}
}
