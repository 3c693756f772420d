package app_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// publicKeys returns a file with keys that verify access tokens and sign none.
func publicKeys(t *testing.T) string {
	t.Helper()
	set, err := token.Generate(clock.System())
	if err != nil {
		t.Fatal(err)
	}
	text, err := set.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Who signs no tokens starts with public keys alone: edges, and stacks without accounts.
func TestPublicKeysAreEnoughToVerify(t *testing.T) {
	t.Parallel()
	keys := "--auth.keys_file=" + publicKeys(t)
	edgeAdmin, stackListen := nettest.Address(t), nettest.Address(t)
	for name, tc := range map[string]struct {
		run   func(context.Context, config.Config) error
		c     config.Config
		alive string
	}{
		"edge": {app.RunEdge, configure(t, keys, "--listen="+nettest.Address(t), "--admin_listen="+edgeAdmin), "http://" + edgeAdmin + "/healthz"},
		"stack": {app.RunStack, configure(t, keys, "--listen="+stackListen, "--admin_listen="+nettest.Address(t), "--target=cart,order",
			"--database.url="+sqltest.URL(t)), "http://" + stackListen + "/.well-known/jwks.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- tc.run(ctx, tc.c) }()
			await(t, tc.alive, http.StatusOK)
			stop()
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
