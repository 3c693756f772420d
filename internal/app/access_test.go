package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// until waits for something that a running process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within five minutes: %s", what)
		}
	}
}

// start runs a process until the test ends.
func start(t *testing.T, run func(context.Context, config.Config) error, c config.Config) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, c) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

// Stacks and edges get into a Redis that lets in by TLS and password alone.
func TestProcessesGetIntoRedis(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		run  func(context.Context, config.Config) error
		path string // of a request that asks Redis
		body string
		args []string
	}{
		"stack": {app.RunStack, "/meridian.catalog.v1.CatalogService/GetProduct", `{"handle": "none"}`, []string{"--target=catalog"}},
		"edge":  {app.RunEdge, "/meridian.account.v1.AccountService/SignIn", `{}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, listen := redistest.StartSecure(t), nettest.Address(t)
			start(t, tc.run, configure(t, append(tc.args, "--listen="+listen, "--admin_listen="+nettest.Address(t), "--database.url="+sqltest.URL(t),
				"--redis.address="+r.Address, "--redis.tls", "--redis.ca_file="+r.Authority.File, "--redis.username="+redistest.User,
				"--redis.password_file="+credentialstest.PasswordFile(t, redistest.UserPassword))...))
			until(t, "Redis knows the process", func() bool {
				res, err := http.Post("http://"+listen+tc.path, "application/json", strings.NewReader(tc.body))
				if err != nil {
					return false
				}
				_ = res.Body.Close()
				clients, err := r.Client.Do(t.Context(), "CLIENT", "LIST").Text()
				return err == nil && strings.Contains(clients, "user="+redistest.User+" ")
			})
		})
	}
}

// Workers get into a Kafka that lets in by TLS and a login alone.
func TestWorkersGetIntoKafka(t *testing.T) {
	t.Parallel()
	authority := credentialstest.NewAuthority(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "meridian", "secret"),
		kfake.TLS(authority.Server(t, "127.0.0.1")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	start(t, app.RunStack, configure(t, "--target=payment", "--listen="+nettest.Address(t), "--admin_listen="+nettest.Address(t), "--database.url="+sqltest.URL(t),
		"--payment.provider_url=http://"+nettest.Address(t), "--kafka.brokers="+strings.Join(cluster.ListenAddrs(), ","), "--kafka.tls", "--kafka.ca_file="+authority.File,
		"--kafka.sasl.mechanism=SCRAM-SHA-512", "--kafka.sasl.username=meridian", "--kafka.sasl.password_file="+credentialstest.PasswordFile(t, "secret")))
	until(t, "the worker made the topic", func() bool { return cluster.TopicInfo("meridian.orders") != nil })
}
