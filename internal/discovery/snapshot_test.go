package discovery

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mixed is a region of instances with these targets, the first of them unhealthy.
func mixed(targets ...string) *Snapshot {
	r := Region{Name: "eu-west-1"}
	for i, target := range targets {
		m := Member{Endpoint: NewEndpoint(target, "", r.Name, target, 0), Healthy: i > 0}
		r.Members = append(r.Members, m)
		if m.Healthy {
			r.Healthy = append(r.Healthy, m)
		}
	}
	return NewSnapshot([]Region{r, {Name: "us-east-1"}})
}

func TestInstancesServeTheirTargets(t *testing.T) {
	t.Parallel()
	s := mixed("all", "catalog", "order,payment", "relay", "", "cart, order")
	for _, tt := range []struct {
		module           string
		members, healthy []string
	}{
		{"catalog", []string{"all", "catalog", ""}, []string{"catalog", ""}},
		{"order", []string{"all", "order,payment", "", "cart, order"}, []string{"order,payment", "", "cart, order"}},
		{"search", []string{"all", ""}, []string{""}},
		{"", []string{"all", "catalog", "order,payment", "relay", "", "cart, order"}, []string{"catalog", "order,payment", "relay", "", "cart, order"}},
	} {
		for range 2 { // the second answer is the first one's
			only := s.For(tt.module)
			ids := func(list []Member) []string {
				out := []string{}
				for _, m := range list {
					out = append(out, m.ID)
				}
				return out
			}
			r := only.Region("eu-west-1")
			if diff := cmp.Diff([2][]string{tt.members, tt.healthy}, [2][]string{ids(r.Members), ids(r.Healthy)}); diff != "" {
				t.Errorf("%q (-want +got)\n%s", tt.module, diff)
			}
			if healthy, total := only.Counts("eu-west-1"); healthy != len(tt.healthy) || total != len(tt.members) {
				t.Errorf("%q: %d of %d", tt.module, healthy, total)
			}
			if len(only.Regions()) != 2 {
				t.Errorf("%q: a region is missing", tt.module)
			}
		}
	}
	if r := s.Region("eu-west-1"); len(r.Members) != 6 || !slices.Equal(r.Members, s.For("").Region("eu-west-1").Members) {
		t.Error("asking for a module changed the snapshot")
	}
}

func TestWhereAllServeAllNothingIsCopied(t *testing.T) {
	t.Parallel()
	s := mixed("all", "", "catalog,all")
	if s.For("order") != s {
		t.Error("a snapshot was made")
	}
}

func TestModulesAreAskedForAtOnce(t *testing.T) {
	t.Parallel()
	s := mixed("all", "catalog")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if n := len(s.For("order").Region("eu-west-1").Members); n != 1 {
				t.Errorf("%d instances", n)
			}
		})
	}
	all.Wait()
}
