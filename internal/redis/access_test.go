package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
)

// open returns a client that tolerates a busy machine.
func open(t *testing.T, c redis.Config, log *slog.Logger, registry prometheus.Registerer) *redis.Client {
	t.Helper()
	r, err := redis.Open(c, redis.Options{Timeout: time.Minute, Logger: log}, registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func ping(t *testing.T, r *redis.Client) error {
	t.Helper()
	return r.Do(t.Context(), func(ctx context.Context, on redis.Commands) error { return on.Ping(ctx).Err() })
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within five minutes: %s", what)
		}
	}
}

// counted returns how many failures a registry has of a cause.
func counted(t *testing.T, registry *prometheus.Registry, cause string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == cause {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no failures of the cause %s", cause)
	return 0
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	s, plain, stranger := redistest.StartSecure(t), redistest.Start(t), credentialstest.NewAuthority(t)
	password := func(p string) string { return credentialstest.PasswordFile(t, p) }
	foreign := s.Config("", password(redistest.DefaultPassword))
	foreign.CAFile = stranger.File
	system := foreign
	system.CAFile = ""
	for name, tc := range map[string]struct {
		config redis.Config
		cause  string // "" is let in
	}{
		"the default user":     {s.Config("", password(redistest.DefaultPassword)), ""},
		"a user":               {s.Config(redistest.User, password(redistest.UserPassword)), ""},
		"clear text":           {redis.Config{Address: plain.Address}, ""},
		"wrong password":       {s.Config("", password("guess")), redis.Credentials},
		"another's password":   {s.Config(redistest.User, password(redistest.DefaultPassword)), redis.Credentials},
		"no such user":         {s.Config("nobody", password(redistest.UserPassword)), redis.Credentials},
		"no password":          {s.Config("", ""), redis.Credentials},
		"another authority":    {foreign, redis.TLS},
		"the system's":         {system, redis.TLS},
		"clear text to TLS":    {redis.Config{Address: s.Address, PasswordFile: password(redistest.DefaultPassword)}, redis.Connection},
		"nobody listens there": {redis.Config{Address: nettest.Address(t)}, redis.Connection},
	} {
		err := ping(t, open(t, tc.config, nil, nil))
		if tc.cause == "" && err != nil || tc.cause != "" && (err == nil || redis.Cause(err) != tc.cause) {
			t.Errorf("%s: %v (%s), want %q", name, err, redis.Cause(err), tc.cause)
		}
	}
}

// Each new connection shows the password that the file holds then; the old ones stay.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := redistest.StartSecure(t)
	file := credentialstest.PasswordFile(t, redistest.UserPassword)
	r := open(t, s.Config(redistest.User, file), nil, nil)
	if err := ping(t, r); err != nil {
		t.Fatal(err)
	}
	credentialstest.Rotate(t, file, "") // a new connection would fail
	if err := ping(t, r); err != nil {
		t.Errorf("a connection that was there: %v", err)
	}
	held := make(chan error, 1)
	go func() { // takes the one connection, so that the next command makes one
		held <- r.Do(t.Context(), func(ctx context.Context, on redis.Commands) error { return on.BLPop(ctx, 0, "list").Err() })
	}()
	eventually(t, "the connection is taken", func() bool {
		list, err := s.Client.Do(t.Context(), "CLIENT", "LIST").Text()
		return err == nil && strings.Contains(list, "cmd=blpop")
	})
	if err := ping(t, r); err == nil || redis.Cause(err) != redis.PasswordFile {
		t.Errorf("with an empty file: %v", err)
	}
	if err := s.Client.Do(t.Context(), "ACL", "SETUSER", redistest.User, "resetpass", ">next").Err(); err != nil {
		t.Fatal(err)
	}
	credentialstest.Rotate(t, file, "next")
	if err := ping(t, r); err != nil {
		t.Errorf("with the next password: %v", err)
	}
	if err := s.Client.RPush(t.Context(), "list", "x").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-held; err != nil {
		t.Errorf("the connection that was there: %v", err)
	}
}

func TestForbiddenCommand(t *testing.T) {
	t.Parallel()
	s := redistest.StartSecure(t)
	if err := s.Client.Do(t.Context(), "ACL", "SETUSER", redistest.User, "-ping").Err(); err != nil {
		t.Fatal(err)
	}
	err := ping(t, open(t, s.Config(redistest.User, credentialstest.PasswordFile(t, redistest.UserPassword)), nil, nil))
	if err == nil || redis.Cause(err) != redis.Credentials {
		t.Errorf("a forbidden command: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]redis.Config{
		"a user without a password":     {Username: "meridian"},
		"no such password file":         {PasswordFile: "absent"},
		"an empty password file":        {PasswordFile: credentialstest.PasswordFile(t, "")},
		"authorities without TLS":       {CAFile: credentialstest.NewAuthority(t).File},
		"no such file with authorities": {TLS: true, CAFile: "absent"},
	} {
		c.Address = "127.0.0.1:1"
		if _, err := redis.Open(c, redis.Options{}, nil); !errors.Is(err, redis.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	registry := prometheus.NewRegistry()
	open(t, redis.Config{}, nil, registry)
	if _, err := redis.Open(redis.Config{}, redis.Options{}, registry); err == nil {
		t.Error("a second registration succeeded")
	}
}

func TestNoRedis(t *testing.T) {
	t.Parallel()
	r := open(t, redis.Config{}, nil, nil)
	if err := ping(t, r); !errors.Is(err, redis.ErrNone) || r.State() != 0 {
		t.Errorf("in a region without Redis: %v, state %d", err, r.State())
	}
}

func TestAnAbsentValueIsAnAnswer(t *testing.T) {
	t.Parallel()
	r := open(t, redis.Config{Address: redistest.Start(t).Address}, nil, nil)
	for range 10 {
		if err := r.Do(t.Context(), func(ctx context.Context, on redis.Commands) error { return on.Get(ctx, "absent").Err() }); err != nil {
			t.Fatal(err)
		}
	}
	if r.State() != 0 {
		t.Error("absent values opened the breaker")
	}
}

// With a wrong password Redis is away, and the log and the metric say why; the right password ends it.
func TestBreakerSaysWhy(t *testing.T) {
	t.Parallel()
	s, file := redistest.StartSecure(t), credentialstest.PasswordFile(t, "guess")
	log, registry := &said{}, prometheus.NewRegistry()
	r := open(t, s.Config(redistest.User, file), slog.New(slog.NewTextHandler(log, nil)), registry)
	for range 5 {
		if err := ping(t, r); err == nil || errors.Is(err, redis.ErrAway) {
			t.Fatalf("before the breaker opens: %v", err)
		}
	}
	if err := ping(t, r); !errors.Is(err, redis.ErrAway) || r.State() != 2 {
		t.Errorf("after five failures: %v, state %d", err, r.State())
	}
	for _, want := range []string{"level=WARN", "redis breaker changed", "to=open", "cause=credentials", "WRONGPASS", "address=" + s.Address} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
	if strings.Contains(log.String(), "guess") {
		t.Errorf("the log shows the password: %s", log)
	}
	if n := counted(t, registry, redis.Credentials); n != 5 {
		t.Errorf("%v failures for their credentials, want 5", n)
	}
	credentialstest.Rotate(t, file, redistest.UserPassword)
	eventually(t, "Redis lets us in", func() bool { return ping(t, r) == nil })
	if r.State() != 0 {
		t.Errorf("state %d after an answer", r.State())
	}
}
