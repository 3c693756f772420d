package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	driver "github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/credentials"
)

// ErrConfig is wrapped by errors about settings that cannot be used.
var ErrConfig = errors.New("redis: bad configuration")

// Config says where a region's Redis is, and who the process is to it. The zero Config is a region without Redis. The
// tags of its fields are configuration keys, below redis.
type Config struct {
	Address      string `koanf:"address" help:"this region's Redis (host:port); empty: no cache"`
	Username     string `koanf:"username" help:"user of Redis's access lists; empty: its default user"`
	PasswordFile string `koanf:"password_file" help:"file with Redis's password, read for each new connection; empty: none"`
	TLS          bool   `koanf:"tls" help:"connect to Redis by TLS"`
	CAFile       string `koanf:"ca_file" help:"authorities that Redis's certificate is from (PEM); default: the system's"`
}

// apply sets the driver's options. Errors wrap ErrConfig: a file cannot be used as it is now, or settings do not go
// together. That a file is unusable later fails the connections that are made then, and no others.
func (c Config) apply(o *driver.Options) error {
	secure, err := credentials.ClientTLS(c.TLS, c.CAFile)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	o.TLSConfig = secure
	if c.PasswordFile == "" {
		if c.Username != "" {
			return fmt.Errorf("%w: a user name without a password file", ErrConfig)
		}
		return nil
	}
	if _, err := credentials.Password(c.PasswordFile); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	o.CredentialsProviderContext = func(context.Context) (username, password string, err error) {
		password, err = credentials.Password(c.PasswordFile)
		return c.Username, password, err
	}
	return nil
}

// The causes of failures.
const (
	Credentials  = "credentials"   // Redis knows no such user and password, wants one, or forbids the command
	PasswordFile = "password_file" // it cannot be read, or is empty
	TLS          = "tls"           // no TLS there, or a certificate that is not believed
	Timeout      = "timeout"
	Connection   = "connection" // refused, reset or closed
	Answer       = "answer"     // any other error that Redis itself answered
)

// Cause names why a command failed.
func Cause(err error) string {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var answered driver.Error
	var network net.Error
	switch {
	case driver.IsAuthError(err), driver.IsPermissionError(err):
		return Credentials
	case errors.Is(err, credentials.ErrPassword):
		return PasswordFile
	case errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert):
		return TLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrPoolTimeout), errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.As(err, &answered):
		return Answer
	}
	return Connection
}

// failures counts failed commands.
type failures struct{ total *prometheus.CounterVec }

func newFailures(registry prometheus.Registerer) (*failures, error) {
	f := &failures{total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "meridian_redis_failures_total",
		Help: "Commands that failed at the region's Redis, by cause: credentials, password_file, tls, timeout, connection or answer.",
	}, []string{"cause"})}
	for _, cause := range []string{Credentials, PasswordFile, TLS, Timeout, Connection, Answer} {
		f.total.WithLabelValues(cause) // a series that is there from the start has a rate
	}
	if registry == nil {
		return f, nil
	}
	if err := registry.Register(f.total); err != nil {
		return nil, fmt.Errorf("redis: register metrics: %w", err)
	}
	return f, nil
}

// count counts a failure and returns its cause.
func (f *failures) count(err error) string {
	cause := Cause(err)
	f.total.WithLabelValues(cause).Inc()
	return cause
}
