package kafka_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
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
func publish(t *testing.T, c kafka.Config, final func(error) bool) error {
	t.Helper()
	p, err := kafka.NewProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for deadline := time.Now().Add(5 * time.Minute); ; {
		err := p.Publish(t.Context(), []event.Event{newEvent("eu-west-1", "ord", 1)})
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
			c := kafka.Config{Brokers: b.ListenAddrs(), TLS: true, CAFile: authority.File, SASL: kafka.SASL{
				Mechanism: mechanism, Username: user, PasswordFile: credentialstest.PasswordFile(t, password),
			}}
			if err := publish(t, c, never); err != nil {
				t.Fatal(err)
			}
			got := make(chan event.Event, 10)
			consumer, err := kafka.NewConsumer(c, who("of "+mechanism), func(_ context.Context, e event.Event) error { got <- e; return nil }, discard, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { consumer.Run(ctx); close(ended) }()
			defer func() { cancel(); <-ended }()
			if e := receive(t, got); e.AggregateID != "ord" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// Who is not let in is told why, and the password is read anew: a right one needs no restart.
func TestWhoIsNot(t *testing.T) {
	t.Parallel()
	b, authority := secured(t)
	strict, authorityToo := secured(t)
	likeKafka(strict)
	c := func(change func(*kafka.Config)) kafka.Config {
		c := kafka.Config{Brokers: b.ListenAddrs(), TLS: true, CAFile: authority.File, SASL: kafka.SASL{
			Mechanism: scram512, Username: user, PasswordFile: credentialstest.PasswordFile(t, "guess"),
		}}
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		change func(*kafka.Config)
		says   string
	}{
		"refused by Kafka":  {func(c *kafka.Config) { c.Brokers, c.CAFile = strict.ListenAddrs(), authorityToo.File }, "sign in: SASL_AUTHENTICATION_FAILED"},
		"wrong password":    {func(*kafka.Config) {}, "sign in: EOF"},
		"no such user":      {func(c *kafka.Config) { c.SASL.Username = "nobody" }, "sign in: EOF"},
		"wrong by PLAIN":    {func(c *kafka.Config) { c.SASL.Mechanism = "PLAIN" }, "sign in: EOF"},
		"nobody":            {func(c *kafka.Config) { c.SASL = kafka.SASL{} }, "SASL"},
		"another authority": {func(c *kafka.Config) { c.CAFile = credentialstest.NewAuthority(t).File }, "certificate signed by unknown authority"},
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
		c := c(func(*kafka.Config) {})
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
	for name, c := range map[string]kafka.Config{
		"authorities without TLS": {CAFile: authority.File},
		"no such authorities":     {TLS: true, CAFile: "absent"},
		"another mechanism":       {SASL: kafka.SASL{Mechanism: "GSSAPI", Username: user, PasswordFile: file}},
		"no mechanism":            {SASL: kafka.SASL{Username: user, PasswordFile: file}},
		"no user":                 {SASL: kafka.SASL{Mechanism: scram512, PasswordFile: file}},
		"no password":             {SASL: kafka.SASL{Mechanism: scram512, Username: user}},
		"no such password file":   {SASL: kafka.SASL{Mechanism: scram512, Username: user, PasswordFile: "absent"}},
		"PLAIN in clear text":     {SASL: kafka.SASL{Mechanism: "PLAIN", Username: user, PasswordFile: file}},
	} {
		c.Brokers = []string{"127.0.0.1:1"}
		if _, err := kafka.NewProducer(c); !errors.Is(err, kafka.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
