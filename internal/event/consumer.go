package event

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// ErrConsumer is wrapped by errors about consumers that cannot be registered.
var ErrConsumer = errors.New("event: bad consumer")

// Consumer is somebody who reacts to events of some types.
type Consumer struct {
	Name  string // of its inbox, and of its group on the bus: it never changes
	Types []Type
	// Effect reacts to an event in the transaction that notes it as taken, so it is committed once for each event.
	// It may run more often than that, and has no effect outside of the transaction that could not be repeated. An
	// error means that the event should be handled again; fault.Invalid that this would be in vain.
	Effect func(ctx context.Context, tx sqldb.Tx, e Event) error
}

// Handler takes an event, any number of times. Errors are as those of an effect.
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

// Validate returns an error that wraps ErrConsumer for a consumer that lacks something, or wants types that do not
// follow the rule.
func (c Consumer) Validate() error {
	unnamed := func(t Type) bool { return t.Aggregate() == "" }
	if c.Name == "" || len(c.Types) == 0 || slices.ContainsFunc(c.Types, unnamed) || c.Effect == nil {
		return fmt.Errorf("%w: %q needs a name, an effect, and types that name their aggregate; it wants %q", ErrConsumer, c.Name, c.Types)
	}
	return nil
}
