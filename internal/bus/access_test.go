package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/meridian-commerce/meridian/internal/bus"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/outbox"
)

const scram512, user = "SCRAM-SHA-512", "meridian"

// secured returns a cluster that speaks TLS alone and knows a user, for each mechanism by another password.
func secured(t *testing.T) (b *kfake.Cluster, authority *credentialstest.Authority) {
	t.Helper()
	authority = credentialstest.NewAuthority(t)
	return broker(t, kfake.EnableSASL(), kfake.Superuser(scram512, user, "of-scram"), kfake.Superuser("PLAIN", user, "of-plain"),
		kfake.TLS(authority.Server(t, "127.0.0.1"))), authority
}

// likeKafka makes a cluster that refuses who signs in, by what Kafka answers; by itself it hangs up.
func likeKafka(b *kfake.Cluster) {
	b.ControlKey(kmsg.SASLAuthenticate.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		resp := req.ResponseKind()
		if refused, ok := resp.(*kmsg.SASLAuthenticateResponse); ok {
			refused.ErrorCode = kerr.SaslAuthenticationFailed.Code
		}
		return resp, nil, true
	})
}

// publish publishes one event, and again until it is on the bus or the error is a final one.
func publish(t *testing.T, c bus.Config, final func(error) bool) error {
	t.Helper()
	p, err := bus.NewProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for deadline := time.Now().Add(5 * time.Minute); ; {
		err := p.Publish(t.Context(), []outbox.Event{event("eu-west-1", "ord", 1)})
		if err == nil || final(err) || time.Now().After(deadline) {
			return err
		}
	}
}

func never(error) bool { return false }

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	b, authority := secured(t)
	for mechanism, password := range map[string]string{scram512: "of-scram", "PLAIN": "of-plain"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			c := bus.Config{Brokers: b.ListenAddrs(), TLS: true, CAFile: authority.File, SASL: bus.SASL{
				Mechanism: mechanism, Username: user, PasswordFile: credentialstest.PasswordFile(t, password),
			}}
			if err := publish(t, c, never); err != nil {
				t.Fatal(err)
			}
			got := make(chan outbox.Event, 10)
			consumer, err := bus.NewConsumer(c, "of "+mechanism, func(_ context.Context, e outbox.Event) error { got <- e; return nil }, discard, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { consumer.Run(ctx); close(ended) }()
			defer func() { cancel(); <-ended }()
			if e := receive(t, got); e.OrderID != "ord" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// Who is not let in is told why, and the password is read anew: a right one needs no restart.
func TestWhoIsNot(t *testing.T) {
	t.Parallel()
	b, authority := secured(t)
	kafka, authorityToo := secured(t)
	likeKafka(kafka)
	c := func(change func(*bus.Config)) bus.Config {
		c := bus.Config{Brokers: b.ListenAddrs(), TLS: true, CAFile: authority.File, SASL: bus.SASL{
			Mechanism: scram512, Username: user, PasswordFile: credentialstest.PasswordFile(t, "guess"),
		}}
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		change func(*bus.Config)
		says   string
	}{
		"refused by Kafka":  {func(c *bus.Config) { c.Brokers, c.CAFile = kafka.ListenAddrs(), authorityToo.File }, "sign in: SASL_AUTHENTICATION_FAILED"},
		"wrong password":    {func(*bus.Config) {}, "sign in: EOF"},
		"no such user":      {func(c *bus.Config) { c.SASL.Username = "nobody" }, "sign in: EOF"},
		"wrong by PLAIN":    {func(c *bus.Config) { c.SASL.Mechanism = "PLAIN" }, "sign in: EOF"},
		"nobody":            {func(c *bus.Config) { c.SASL = bus.SASL{} }, "SASL"},
		"another authority": {func(c *bus.Config) { c.CAFile = credentialstest.NewAuthority(t).File }, "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			says := func(err error) bool { return strings.Contains(err.Error(), tc.says) }
			if err := publish(t, c(tc.change), says); err == nil || !says(err) || strings.Contains(err.Error(), "guess") {
				t.Errorf("%v; want an error that says %q", err, tc.says)
			}
		})
	}
	t.Run("until the password is right", func(t *testing.T) {
		t.Parallel()
		c := c(func(*bus.Config) {})
		if err := publish(t, c, func(err error) bool {
			credentialstest.Rotate(t, c.SASL.PasswordFile, "of-scram")
			return false
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	authority, file := credentialstest.NewAuthority(t), credentialstest.PasswordFile(t, "secret")
	for name, c := range map[string]bus.Config{
		"authorities without TLS": {CAFile: authority.File},
		"no such authorities":     {TLS: true, CAFile: "absent"},
		"another mechanism":       {SASL: bus.SASL{Mechanism: "GSSAPI", Username: user, PasswordFile: file}},
		"no mechanism":            {SASL: bus.SASL{Username: user, PasswordFile: file}},
		"no user":                 {SASL: bus.SASL{Mechanism: scram512, PasswordFile: file}},
		"no password":             {SASL: bus.SASL{Mechanism: scram512, Username: user}},
		"no such password file":   {SASL: bus.SASL{Mechanism: scram512, Username: user, PasswordFile: "absent"}},
		"PLAIN in clear text":     {SASL: bus.SASL{Mechanism: "PLAIN", Username: user, PasswordFile: file}},
	} {
		c.Brokers = []string{"127.0.0.1:1"}
		if _, err := bus.NewProducer(c); !errors.Is(err, bus.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
