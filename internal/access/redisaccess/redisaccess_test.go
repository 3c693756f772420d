package redisaccess_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/access/redisaccess"
	"github.com/meridian-commerce/meridian/internal/cache/redistest"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/nettest"
)

// ping asks a server once, over a connection of its own.
func ping(t *testing.T, address string, a redisaccess.Access) error {
	t.Helper()
	options := &redis.Options{Addr: address, MaxRetries: -1, DialerRetries: 1}
	if err := a.Apply(options); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	return client.Ping(t.Context()).Err()
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	r, plain, stranger := credentialstest.StartRedis(t), redistest.Start(t), credentialstest.NewAuthority(t)
	password := func(p string) string { return credentialstest.PasswordFile(t, p) }
	foreign := r.Access("", password(credentialstest.DefaultPassword))
	foreign.CAFile = stranger.File
	system := foreign
	system.CAFile = ""
	nobody := r.Access("", "")
	inClear := redisaccess.Access{PasswordFile: password(credentialstest.DefaultPassword)}
	for name, tc := range map[string]struct {
		address string
		access  redisaccess.Access
		cause   string // "" is let in
	}{
		"the default user":     {r.Address, r.Access("", password(credentialstest.DefaultPassword)), ""},
		"a user":               {r.Address, r.Access(credentialstest.User, password(credentialstest.UserPassword)), ""},
		"clear text":           {plain.Address, redisaccess.Access{}, ""},
		"wrong password":       {r.Address, r.Access("", password("guess")), redisaccess.Credentials},
		"another's password":   {r.Address, r.Access(credentialstest.User, password(credentialstest.DefaultPassword)), redisaccess.Credentials},
		"no such user":         {r.Address, r.Access("nobody", password(credentialstest.UserPassword)), redisaccess.Credentials},
		"no password":          {r.Address, nobody, redisaccess.Credentials},
		"another authority":    {r.Address, foreign, redisaccess.TLS},
		"the system's":         {r.Address, system, redisaccess.TLS},
		"clear text to TLS":    {r.Address, inClear, redisaccess.Connection},
		"nobody listens there": {nettest.Address(t), redisaccess.Access{}, redisaccess.Connection},
	} {
		err := ping(t, tc.address, tc.access)
		if tc.cause == "" && err != nil || tc.cause != "" && (err == nil || redisaccess.Cause(err) != tc.cause) {
			t.Errorf("%s: %v (%s), want %q", name, err, redisaccess.Cause(err), tc.cause)
		}
	}
}

// Each new connection shows the password that the file holds then; the old ones stay.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := credentialstest.StartRedis(t)
	file := credentialstest.PasswordFile(t, credentialstest.UserPassword)
	options := &redis.Options{Addr: r.Address, MaxRetries: -1}
	if err := r.Access(credentialstest.User, file).Apply(options); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	credentialstest.Rotate(t, file, "") // a new connection would fail
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("a connection that was there: %v", err)
	}
	another := client.Conn() // holds the one connection, so that the next ping makes one
	defer func() { _ = another.Close() }()
	if err := another.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(t.Context()).Err(); err == nil || redisaccess.Cause(err) != redisaccess.PasswordFile {
		t.Errorf("with an empty file: %v", err)
	}
	if err := r.Client.Do(t.Context(), "ACL", "SETUSER", credentialstest.User, "resetpass", ">next").Err(); err != nil {
		t.Fatal(err)
	}
	credentialstest.Rotate(t, file, "next")
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("with the next password: %v", err)
	}
}

func TestForbiddenCommand(t *testing.T) {
	t.Parallel()
	r := credentialstest.StartRedis(t)
	if err := r.Client.Do(t.Context(), "ACL", "SETUSER", credentialstest.User, "-ping").Err(); err != nil {
		t.Fatal(err)
	}
	err := ping(t, r.Address, r.Access(credentialstest.User, credentialstest.PasswordFile(t, credentialstest.UserPassword)))
	if err == nil || redisaccess.Cause(err) != redisaccess.Credentials {
		t.Errorf("a forbidden command: %v", err)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]redisaccess.Access{
		"a user without a password":     {Username: "meridian"},
		"no such password file":         {PasswordFile: "absent"},
		"an empty password file":        {PasswordFile: credentialstest.PasswordFile(t, "")},
		"authorities without TLS":       {CAFile: credentialstest.NewAuthority(t).File},
		"no such file with authorities": {TLS: true, CAFile: "absent"},
	} {
		if err := a.Apply(&redis.Options{}); !errors.Is(err, redisaccess.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailuresAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if _, err := redisaccess.NewFailures(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := redisaccess.NewFailures(registry); err == nil {
		t.Error("a second time succeeded")
	}
}
