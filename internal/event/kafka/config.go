package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/meridian-commerce/meridian/internal/credentials"
)

// ErrConfig is wrapped by errors about a bus configuration.
var ErrConfig = errors.New("kafka: bad configuration")

// Config says where a region's bus is and how to get into it. The tags of its fields are configuration keys, below kafka.
type Config struct {
	Brokers []string `koanf:"brokers" help:"this region's Kafka brokers (host:port)"`
	TLS     bool     `koanf:"tls" help:"connect to Kafka by TLS"`
	CAFile  string   `koanf:"ca_file" help:"authorities that the brokers' certificates are from (PEM); default: the system's"`
	SASL    SASL     `koanf:"sasl"`
}

// SASL says who a process is to Kafka. The zero SASL is nobody. PLAIN takes TLS.
type SASL struct {
	Mechanism    string `koanf:"mechanism" help:"how to sign in to Kafka: SCRAM-SHA-512 or PLAIN; empty: not at all"`
	Username     string `koanf:"username" help:"user of Kafka"`
	PasswordFile string `koanf:"password_file" help:"file with the user's password, read for each new connection"`
}

// options returns the client's. Errors wrap ErrConfig: a file cannot be used as it is now, or settings do not go
// together.
func (c Config) options() ([]kgo.Opt, error) {
	if len(c.Brokers) == 0 {
		return nil, fmt.Errorf("%w: kafka.brokers is empty", ErrConfig)
	}
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers...)}
	secure, err := credentials.ClientTLS(c.TLS, c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%w: kafka.ca_file: %w", ErrConfig, err)
	}
	if secure != nil {
		opts = append(opts, kgo.DialTLSConfig(secure))
	}
	if c.SASL == (SASL{}) {
		return opts, nil
	}
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return append(opts, kgo.SASL(mechanism)), nil
}

func (c Config) mechanism() (sasl.Mechanism, error) {
	s := c.SASL
	if s.Username == "" || s.PasswordFile == "" {
		return nil, errors.New("kafka.sasl needs a mechanism, a username and a password_file, or none of them")
	}
	if _, err := credentials.Password(s.PasswordFile); err != nil {
		return nil, fmt.Errorf("kafka.sasl.password_file: %w", err)
	}
	switch {
	case s.Mechanism == "SCRAM-SHA-512":
		return scram.Sha512(func(context.Context) (scram.Auth, error) {
			password, err := credentials.Password(s.PasswordFile)
			return scram.Auth{User: s.Username, Pass: password}, err // its errors say what they are
		}), nil
	case s.Mechanism == "PLAIN" && !c.TLS:
		return nil, errors.New("kafka.sasl.mechanism PLAIN sends the password as it is: set kafka.tls")
	case s.Mechanism == "PLAIN":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := credentials.Password(s.PasswordFile)
			return plain.Auth{User: s.Username, Pass: password}, err // its errors say what they are
		}), nil
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism is %q, want SCRAM-SHA-512 or PLAIN", s.Mechanism)
}
