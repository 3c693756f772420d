// Package app puts a process together: configuration becomes modules, modules a running server, and everything
// that was opened is closed in reverse order when it ends. It is the one place that knows every room.
package app

import (
	"context"
	"errors"
	"slices"
)

// closers are what must be undone, in the order in which it was done.
type closers []func(ctx context.Context) error

func (c *closers) add(f func(ctx context.Context) error) { *c = append(*c, f) }

func (c *closers) addFunc(f func()) {
	c.add(func(context.Context) error { f(); return nil })
}

// close undoes everything, newest first, whatever fails on the way.
func (c *closers) close(ctx context.Context) error {
	var errs []error
	for _, f := range slices.Backward(*c) {
		errs = append(errs, f(ctx))
	}
	*c = nil
	return errors.Join(errs...)
}
