package app_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/pflag"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// configure returns a stack's configuration with fresh keys.
func configure(t *testing.T, args ...string) config.Config {
	t.Helper()
	dir := t.TempDir()
	set, err := token.Generate(clock.System())
	if err == nil {
		err = set.Save(filepath.Join(dir, "auth.json"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "directory.key"), []byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(f)
	err = f.Parse(append([]string{
		"--region=eu-west-1", "--instance=test", "--auth.keys_file=" + filepath.Join(dir, "auth.json"), "--log.level=error",
		"--account.directory_key_file=" + filepath.Join(dir, "directory.key"), "--shutdown.delay=10ms", "--shutdown.timeout=5s",
	}, args...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func await(t *testing.T, url string, want int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(url)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == want {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer %d: %v", url, want, err)
		}
	}
}

func TestStackServesAndStops(t *testing.T) {
	t.Parallel()
	api, admin := nettest.Address(t), nettest.Address(t)
	c := configure(t, "--database.url="+sqltest.URL(t), "--listen="+api, "--admin_listen="+admin, "--target=account,catalog,cart,order")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- app.RunStack(ctx, c) }()
	await(t, "http://"+admin+"/readyz", http.StatusOK)
	await(t, "http://"+api+discovery.ReadyPath, http.StatusOK)
	await(t, "http://"+api+"/.well-known/jwks.json", http.StatusOK)

	client := accountv1connect.NewAccountServiceClient(http.DefaultClient, "http://"+api)
	signedUp, err := client.SignUp(t.Context(), &accountv1.SignUpRequest{Email: "ada@example.com", Password: "correct horse", DisplayName: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	callCtx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", "Bearer "+signedUp.GetAccessToken())
	got, err := client.GetAccount(callCtx, &accountv1.GetAccountRequest{})
	if err != nil || got.GetAccount().GetHomeRegion() != "eu-west-1" {
		t.Errorf("got %v, %v", got, err)
	}
	if got := info.ResponseHeader(); got.Get("Meridian-Served-Region") != "eu-west-1" || !strings.HasPrefix(got.Get("Server-Timing"), "app;dur=") {
		t.Errorf("the answer's headers are %v", got)
	}
	if _, err := client.GetAccount(t.Context(), &accountv1.GetAccountRequest{}); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("without a token: %v", err)
	}

	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := http.Get("http://" + api + discovery.ReadyPath); err == nil { //nolint:bodyclose // it fails
		t.Error("the listener outlived the stack")
	}
}

func TestStackRefusesToStart(t *testing.T) {
	t.Parallel()
	holder, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close() })
	taken := holder.Addr().String()
	nowhere := "--database.url=postgres://nobody@" + nettest.Address(t) + "/none"
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"no database":             {nil, "database.url is not set"},
		"unknown module":          {[]string{nowhere, "--target=acount"}, "none of account, cart, catalog, order, payment, relay"},
		"address in use":          {[]string{nowhere, "--target=cart", "--listen=" + taken}, "is another process using it"},
		"no bus":                  {[]string{nowhere, "--target=relay"}, "kafka.brokers is not set"},
		"unreadable keys":         {[]string{nowhere, "--auth.keys_file=none.json"}, "meridian keys generate"},
		"no key that signs":       {[]string{nowhere, "--auth.keys_file=" + publicKeys(t)}, "holds public keys alone"},
		"no password of Redis":    {[]string{nowhere, "--redis.address=" + nettest.Address(t), "--redis.password_file=none"}, "the redis settings cannot be used"},
		"no password of Kafka":    {[]string{nowhere, "--target=relay", "--kafka.brokers=" + nettest.Address(t), "--kafka.sasl.mechanism=PLAIN"}, "the kafka settings cannot be used"},
		"unknown region":          {[]string{nowhere, "--region=mars-1"}, "not in the set of regions"},
		"unreadable regions file": {[]string{nowhere, "--regions_file=none.yaml"}, "regions_file"},
	} {
		err := app.RunStack(t.Context(), configure(t, append([]string{"--listen=" + nettest.Address(t), "--admin_listen=" + nettest.Address(t)}, tc.args...)...))
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want an error that says %q", name, err, tc.says)
		}
		if name == "address in use" && fault.Reason(err) != "ADDRESS_UNUSABLE" {
			t.Errorf("%s: reason %s", name, fault.Reason(err))
		}
		if name == "no key that signs" && fault.Reason(err) != "SIGNING_KEY_MISSING" {
			t.Errorf("%s: reason %s", name, fault.Reason(err))
		}
	}
}
