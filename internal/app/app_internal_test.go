package app

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/meridian-commerce/meridian/internal/config"
)

func TestClosersUnwindInOrderWhateverFails(t *testing.T) {
	t.Parallel()
	var c closers
	var order []int
	bad := errors.New("bad")
	for i, err := range []error{nil, bad, nil} {
		c.add(func(context.Context) error { order = append(order, i); return err })
	}
	if err := c.close(t.Context()); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("closed in the order %v", order)
	}
	if err := c.close(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("closed twice: %v, %v", order, err)
	}
}

func TestWhereAnEdgeIs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ advertise, admin, want string }{
		{"10.1.2.3:8443", "10.1.2.3:9090", "10.1.2.3:8443"},
		{"edge.example:443", "0.0.0.0:9090", "edge.example:443"},
		{"0.0.0.0:8080", "10.1.2.3:9090", "10.1.2.3:8080"},
		{"[::]:8080", "[fd00::3]:9090", "[fd00::3]:8080"},
		{":8080", ":9090", "127.0.0.1:8080"},
	} {
		p := process{config: config.Config{Advertise: tc.advertise, AdminListen: tc.admin}}
		if got := p.reachable(); got != tc.want {
			t.Errorf("%s, with its admin listener at %s, is said to be at %s, want %s", tc.advertise, tc.admin, got, tc.want)
		}
	}
}
