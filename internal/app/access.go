package app

import (
	"errors"

	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/redis"
)

// unusable says of an error about how to get into Redis or Kafka which keys it is about.
func unusable(err error) error {
	switch {
	case errors.Is(err, redis.ErrConfig):
		return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "the redis settings cannot be used")
	case errors.Is(err, kafka.ErrConfig):
		return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "the kafka settings cannot be used")
	}
	return err
}
