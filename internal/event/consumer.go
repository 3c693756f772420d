package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrConsumer is wrapped by errors about a consumer that cannot be registered.
var ErrConsumer = errors.New("event: bad consumer")

// Consumer is somebody who reacts to events of some types.
type Consumer struct {
	Name  string // in its inbox, and of its group on the bus: it never changes
	Types []Type
}

// Handler has the effect of an event. An error means that it should be handled again; fault.Invalid that this
// would be in vain.
type Handler func(ctx context.Context, e Event) error

// Wants reports whether the consumer reacts to events of a type.
func (c Consumer) Wants(t Type) bool { return slices.Contains(c.Types, t) }

// Topics returns where the bus has what the consumer wants, each topic once.
func (c Consumer) Topics() []string {
	var names []string
	for _, t := range c.Types {
		names = append(names, t.Aggregate().Topic())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Validate returns an error that wraps ErrConsumer for a consumer without a name, or of no types or ones that do not follow the rule.
func (c Consumer) Validate() error {
	unnamed := func(t Type) bool { return t.Aggregate() == "" }
	if c.Name == "" || len(c.Types) == 0 || slices.ContainsFunc(c.Types, unnamed) {
		return fmt.Errorf("%w: %q needs a name, and types that name their aggregate; has %q", ErrConsumer, c.Name, c.Types)
	}
	return nil
}
