package app

import (
	"errors"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/redis"
)

func redisConfig(c config.Config) redis.Config {
	return redis.Config{Address: c.Redis.Address, Username: c.Redis.Username, PasswordFile: c.Redis.PasswordFile, TLS: c.Redis.TLS, CAFile: c.Redis.CAFile}
}

func busConfig(c config.Config) kafka.Config {
	return kafka.Config{
		Brokers: c.Kafka.Brokers, TLS: c.Kafka.TLS, CAFile: c.Kafka.CAFile,
		SASL: kafka.SASL{Mechanism: c.Kafka.SASL.Mechanism, Username: c.Kafka.SASL.Username, PasswordFile: c.Kafka.SASL.PasswordFile},
	}
}

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
