package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	driver "github.com/redis/go-redis/v9"
)

// listenEvery is how long a channel may be silent until Redis is asked whether it is still there, and how long it
// then has for its answer.
const listenEvery = 500 * time.Millisecond

// errSilent says that Redis keeps the connection open and does not answer on it.
var errSilent = errors.New("redis: Redis is silent")

// Follow calls receive with each message that is published on a channel, and ready before the first of them. It has
// one connection of its own, and returns when ctx ends, or with an error within a second of losing Redis. Whatever
// is published while nobody follows is lost.
func (r *Client) Follow(ctx context.Context, channel string, ready func(), receive func(message string)) error {
	if r.commands == nil {
		return ErrNone
	}
	subscription := r.commands.Subscribe(ctx)
	stop := context.AfterFunc(ctx, func() { _ = subscription.Close() }) // ends a read under way
	defer func() {
		stop()
		_ = subscription.Close() // of no interest: nothing is written any more
	}()
	if err := subscription.Subscribe(ctx, channel); err != nil {
		return fmt.Errorf("redis: follow: %w", err)
	}
	asked := false
	for {
		message, err := subscription.ReceiveTimeout(ctx, listenEvery)
		var network net.Error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			asked = false
		case errors.As(err, &network) && network.Timeout() && !asked:
			// A quiet channel and a hung Redis look the same until Redis is asked.
			asked = true
			if err := subscription.Ping(ctx); err != nil {
				return fmt.Errorf("redis: follow: %w", err)
			}
			continue
		case errors.As(err, &network) && network.Timeout():
			return errSilent
		default:
			return fmt.Errorf("redis: follow: %w", err)
		}
		switch m := message.(type) {
		case *driver.Subscription:
			ready()
		case *driver.Message:
			receive(m.Payload)
		}
	}
}
