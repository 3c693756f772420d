// Package redisaccess is how a process gets into its region's Redis, and why it does not.
package redisaccess

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/credentials"
)

// ErrConfig is wrapped by errors about settings that cannot be used.
var ErrConfig = errors.New("redisaccess: bad configuration")

// Access says who a process is to Redis and how it connects. The zero Access is nobody, in clear text.
type Access struct {
	Username     string // of Redis's access lists; "" with a password is the default user
	PasswordFile string // read for each new connection; "" is no password
	TLS          bool
	CAFile       string // authorities of Redis's certificate (PEM), read once; "" is the system's
}

// Apply sets a driver's options. Errors wrap ErrConfig: a file cannot be used as it is now, or settings do not go
// together. That the file is unusable later fails the connections that are made then, and no others.
func (a Access) Apply(o *redis.Options) error {
	secure, err := credentials.ClientTLS(a.TLS, a.CAFile)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	o.TLSConfig = secure
	if a.PasswordFile == "" {
		if a.Username != "" {
			return fmt.Errorf("%w: a user name without a password file", ErrConfig)
		}
		return nil
	}
	if _, err := credentials.Password(a.PasswordFile); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	o.CredentialsProviderContext = func(context.Context) (username, password string, err error) {
		password, err = credentials.Password(a.PasswordFile)
		return a.Username, password, err
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
	var answered redis.Error
	var network net.Error
	switch {
	case redis.IsAuthError(err), redis.IsPermissionError(err):
		return Credentials
	case errors.Is(err, credentials.ErrPassword):
		return PasswordFile
	case errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert):
		return TLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, redis.ErrPoolTimeout), errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.As(err, &answered):
		return Answer
	}
	return Connection
}

// Failures counts failed commands. It is safe for concurrent use.
type Failures struct{ total *prometheus.CounterVec }

// NewFailures returns the metric, registered with registry unless that is nil; the error is a second registration.
func NewFailures(registry prometheus.Registerer) (*Failures, error) {
	f := &Failures{total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "meridian_redis_failures_total",
		Help: "Commands that failed at the region's Redis, by cause: credentials, password_file, tls, timeout, connection or answer.",
	}, []string{"cause"})}
	for _, cause := range []string{Credentials, PasswordFile, TLS, Timeout, Connection, Answer} {
		f.Of(cause)
	}
	if registry == nil {
		return f, nil
	}
	if err := registry.Register(f.total); err != nil {
		return nil, fmt.Errorf("redisaccess: register metrics: %w", err)
	}
	return f, nil
}

// Of returns the counter of a cause.
func (f *Failures) Of(cause string) prometheus.Counter { return f.total.WithLabelValues(cause) }

// Count counts a failure and returns its cause.
func (f *Failures) Count(err error) string {
	cause := Cause(err)
	f.Of(cause).Inc()
	return cause
}
