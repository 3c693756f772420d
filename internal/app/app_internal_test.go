package app

import (
	"context"
	"errors"
	"slices"
	"testing"
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
