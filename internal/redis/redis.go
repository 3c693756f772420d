// Package redis is a process's way to its region's Redis, which may be slow, hung, empty or gone at any time.
//
//	Do ── breaker ──closed────▶ command, Options.Timeout at most ──5 failures in a row──▶ open
//	          ├───── open ────▶ ErrAway, at once
//	          └── half-open ──▶ one command a second finds out whether Redis is back
//
// Its guarantees:
//   - A command costs its caller at most Options.Timeout, the connection included, and nothing once the breaker has
//     opened. The driver repeats nothing: what the caller does without Redis is the retry.
//   - Passwords are read from their file for each new connection, so that a rotation needs no restart.
//   - Why commands fail is counted by cause, and is in the log once for each time that the breaker opens.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	driver "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
)

// Why a command was not sent.
var (
	ErrNone = errors.New("redis: the region has none")
	ErrAway = errors.New("redis: not asked while it is away")
)

const (
	breakerFailures = 5           // consecutive failures that open the breaker
	breakerCooldown = time.Second // until an open breaker lets a command through
	poolWait        = 10 * time.Millisecond
)

// The driver's types, so that no other room names it.
type (
	// Commands are those of Redis.
	Commands = driver.Cmdable
	// Pipeliner gathers commands for one round trip.
	Pipeliner = driver.Pipeliner
	// Script is a Lua script, which Redis runs as one step.
	Script = driver.Script
)

// NewScript returns a script. Redis is sent its text only where it does not know it yet.
func NewScript(text string) *Script { return driver.NewScript(text) }

// Options are what a room may spend on Redis.
type Options struct {
	Timeout time.Duration // of one command, the connection included; 0 is 50 ms
	Conns   int           // connections at most; 0 is 32
	Logger  *slog.Logger  // nil discards
}

// Client is a region's Redis. It is safe for concurrent use.
type Client struct {
	timeout  time.Duration
	commands *driver.Client // nil where the region has none
	breaker  *gobreaker.CircuitBreaker[struct{}]
	failures *failures
	log      *slog.Logger
	last     atomic.Pointer[failure]
}

// failure is a command that Redis did not carry out.
type failure struct {
	cause string
	err   error
}

// Open returns the client of a region's Redis. It does not connect: Redis being down is no error. Its metrics go to
// registry, unless it is nil. Errors are ErrConfig, or a second registration.
func Open(c Config, o Options, registry prometheus.Registerer) (*Client, error) {
	o = withDefaults(o)
	r := &Client{timeout: o.Timeout, log: o.Logger.With("address", c.Address)}
	r.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     breakerCooldown,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		// An absent value is an answer.
		IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, driver.Nil) },
		// A full pool says that this process is busy, and nothing of Redis.
		IsExcluded:    func(err error) bool { return errors.Is(err, driver.ErrPoolTimeout) },
		OnStateChange: r.logState,
	})
	var err error
	if r.failures, err = newFailures(registry); err != nil {
		return nil, err
	}
	if c.Address == "" {
		return r, nil
	}
	options := clientOptions(c.Address, o)
	if err := c.apply(options); err != nil {
		return nil, err
	}
	// The driver has one logger for the process; rooms that open their own Redis log to the same place.
	driver.SetLogger(driverLog{o.Logger})
	r.commands = driver.NewClient(options)
	return r, nil
}

func withDefaults(o Options) Options {
	if o.Timeout == 0 {
		o.Timeout = 50 * time.Millisecond
	}
	if o.Conns == 0 {
		o.Conns = 32
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func clientOptions(address string, o Options) *driver.Options {
	return &driver.Options{
		Addr:                  address,
		DialTimeout:           o.Timeout,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // what a caller does without Redis is the retry
		DialerRetries:         1,
		PoolSize:              o.Conns,
		PoolTimeout:           poolWait,
		PipelinePoolSize:      -1,
		// Each of these would cost a new connection a round trip.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Close ends the connections.
func (r *Client) Close() error {
	if r.commands == nil {
		return nil
	}
	if err := r.commands.Close(); err != nil {
		return fmt.Errorf("redis: close: %w", err)
	}
	return nil
}

// Do runs a command under the breaker and the time-out. That a value is absent is no error. Errors are ErrNone,
// ErrAway, or the driver's.
func (r *Client) Do(ctx context.Context, command func(ctx context.Context, on Commands) error) error {
	if r.commands == nil {
		return ErrNone
	}
	_, err := r.breaker.Execute(func() (struct{}, error) {
		// A caller who goes away says nothing of Redis: its cancellation would count as a failure.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
		defer cancel()
		err := command(limited, r.commands)
		if err != nil && !errors.Is(err, driver.Nil) {
			r.last.Store(&failure{r.failures.count(err), err})
		}
		return struct{}{}, err
	})
	switch {
	case errors.Is(err, driver.Nil):
		return nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return ErrAway
	}
	return err
}

// State is 0 while Redis is used, 1 while it is probed, 2 while it is not asked.
func (r *Client) State() int { return int(r.breaker.State()) } // gobreaker's own numbers: closed, half-open, open

func (r *Client) logState(_ string, from, to gobreaker.State) {
	level := slog.LevelInfo
	if to == gobreaker.StateOpen && from == gobreaker.StateClosed {
		level = slog.LevelWarn // it goes on failing at each probe, which is no news
	}
	args := []any{"from", from.String(), "to", to.String()}
	if last := r.last.Load(); to == gobreaker.StateOpen && last != nil {
		args = append(args, "cause", last.cause, "error", last.err)
	}
	r.log.Log(context.Background(), level, "redis breaker changed", args...)
}

// driverLog turns the driver's own messages, which repeat while Redis is away, into debug records.
type driverLog struct{ logger *slog.Logger }

// Printf implements the driver's logger.
func (l driverLog) Printf(ctx context.Context, format string, args ...any) {
	l.logger.DebugContext(ctx, "redis driver", "message", fmt.Sprintf(format, args...))
}
