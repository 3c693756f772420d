package postgres

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/proc"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// folder returns a temporary folder that the server's user may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestServerSignsInOnlyWithItsPassword(t *testing.T) {
	t.Parallel()
	supervisor := proc.New(nil)
	defer supervisor.Close(t.Context())
	dir, addr := folder(t), nettest.Address(t)
	s, err := Start(t.Context(), supervisor, Config{Dir: dir, Log: filepath.Join(dir, "log"), Addr: addr, Include: "more.conf"})
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv(sqltest.RequireServers) == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	if err := errors.Join(s.CreateDatabase(t.Context(), "shop"), s.CreateRole(t.Context(), "clerk")); err != nil {
		t.Fatal(err)
	}
	var role, option string
	conn := connect(t, s.RoleURL("clerk", addr, "shop", url.Values{"options": {"-c meridian.gateway=eu-west-1"}}))
	if err := conn.QueryRow(t.Context(), "SELECT current_user, current_setting('meridian.gateway')").Scan(&role, &option); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"clerk", "eu-west-1"}, []string{role, option}); diff != "" {
		t.Error(diff)
	}
	if _, err := pgx.Connect(t.Context(), "postgres://clerk:guess@"+addr+"/shop?sslmode=disable"); err == nil {
		t.Error("a guessed password signs in")
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestReachableNamesTheFolderInTheWay(t *testing.T) {
	t.Parallel()
	private := filepath.Join(folder(t), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := &syscall.Credential{Uid: 54321, Gid: 54321}
	if err := reachable(filepath.Join(private, "state"), stranger); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a private parent: %v", err)
	}
	if err := os.Chmod(private, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := reachable(filepath.Join(private, "state"), stranger); err != nil {
		t.Errorf("an open parent: %v", err)
	}
	if err := reachable(private, nil); err != nil {
		t.Errorf("the same user: %v", err)
	}
}
