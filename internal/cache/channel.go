package cache

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/redis"
)

// Publish sends a message to those in the region who follow a channel at this moment. An error says that Redis did
// not take it.
func (c *Cache) Publish(ctx context.Context, channel, message string) error {
	_, err := c.do(ctx, "publish", func(ctx context.Context, on redis.Commands) (string, error) {
		return "", on.Publish(ctx, channel, message).Err()
	})
	return err
}

// Follow calls receive with each message that is published on a channel; redis.Client.Follow says how.
func (c *Cache) Follow(ctx context.Context, channel string, ready func(), receive func(message string)) error {
	return c.redis.Follow(ctx, channel, ready, receive) // its errors say what they are
}
