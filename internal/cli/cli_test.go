package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// run runs a command line and returns its exit code and what it printed.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, 0, ""},
		{[]string{"--help"}, 0, ""},
		{[]string{"no-such-command"}, 2, `unknown command "no-such-command"`},
		{[]string{"no-such-command", "--help"}, 2, `unknown command "no-such-command"`},
		{[]string{"help", "keys"}, 0, ""},
		{[]string{"completion", "bash"}, 0, ""},
		{[]string{"keys", "no-such-command"}, 2, `unknown command "no-such-command"`},
		{[]string{"keys"}, 0, ""},
		{[]string{"version", "now"}, 2, `unknown command "now"`},
		{[]string{"region", "drain"}, 2, "usage"},
		{[]string{"serve", "--no-such-flag"}, 2, "no-such-flag"},
		{[]string{"serve"}, 2, "region is not set"},
		{[]string{"serve", "--config", "no-such-file.yaml"}, 2, "no-such-file.yaml"},
		{[]string{"edge", "--region", "mars-1", "--instance", "e", "--auth.keys_file", "k"}, 2, `"mars-1" is not in the set of regions`},
		{[]string{"catalog", "import", "no-such-file.csv"}, 2, "no-such-file.csv"},
		{[]string{"seed"}, 2, "MERIDIAN_DATABASE_URL"},
		{[]string{"route", "explain", "--admin", "127.200.0.9:1"}, 1, "no edge answers"},
	} {
		code, _, errOut := run(t, tc.args...)
		if code != tc.code || !strings.Contains(errOut, tc.says) {
			t.Errorf("%q exits with %d and says %q; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
		}
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if code, out, errOut := run(t, "keys", "generate", "--dir", dir); code != 0 || strings.Count(out, "\n") != 2 {
		t.Fatalf("exit %d: %s%s", code, out, errOut)
	}
	before, err := os.ReadFile(filepath.Join(dir, "directory.key"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out, _ := run(t, "keys", "generate", "--dir", dir); code != 0 || out != "" {
		t.Errorf("a second time: exit %d, made %q", code, out)
	}
	after, err := os.ReadFile(filepath.Join(dir, "directory.key"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the directory's key changed (%v)", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "auth.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("auth.json: %v, %v", info.Mode(), err)
	}
}

const export = `Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty,Status
lamp,Lamp,L1,19.90,7,active
broken,Broken,B1,cheap,1,active
chair,Chair,C1,120,4,active
`

func TestDataCommands(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	file := filepath.Join(t.TempDir(), "export.csv")
	if err := os.WriteFile(file, []byte(export), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name    string
		args    []string
		code    int
		out     string
		errSays string
	}{
		{"migrate", []string{"migrate"}, 0, "", "up to date"},
		{"seed", []string{"seed", "--units", "30"}, 0, "224 products, 224 of them new or changed", ""},
		{"seed again", []string{"seed"}, 0, "224 products, 0 of them new or changed", ""},
		{"import", []string{"catalog", "import", file, "--rate", "EUR=0.92", "--rate", "JPY=150"}, 1, "2 products, 2 of them new or changed", "line 3, Variant Price"},
		{"its token", []string{"catalog", "import", file, "--rate", "EUR=0.92", "--rate", "JPY=150"}, 1, "send Meridian-Consistency: ey", "1 rows were refused"},
		{"import again", []string{"catalog", "import", file, "--rate", "EUR=0.92", "--rate", "JPY=150"}, 1, "2 products, 0 of them new or changed", "1 rows were refused"},
		{"bad rate", []string{"catalog", "import", file, "--rate", "EUR=-1"}, 2, "", "RATE_INVALID"},
		{"audit", []string{"audit"}, 0, "every invariant holds", ""},
	} {
		code, out, errOut := run(t, append(step.args, "--database.url", url)...)
		if code != step.code || !strings.Contains(out, step.out) || !strings.Contains(errOut, step.errSays) {
			t.Errorf("%s: exit %d, printed %q and %q; want %d, %q and %q", step.name, code, out, errOut, step.code, step.out, step.errSays)
		}
	}
}

func TestAuditFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(t.Context(), `INSERT INTO orders (home_region, id, user_id, idempotency_key, state, cancel_reason, currency, total_minor, version, created_at, updated_at)
		VALUES ('eu-west-1', 'ord_eu1_0000000000000000000000000a', 'usr_eu1_0000000000000000000000000a', 'k', 'pending_payment', '', 'EUR', 1, 1, now() - interval '1 hour', now())`)
	if err != nil {
		t.Fatal(err)
	}
	code, out, _ := run(t, "audit", "--database.url", url)
	if code != 1 || !strings.Contains(out, "one-event-per-change") || !strings.Contains(out, "ord_eu1_0000000000000000000000000a") {
		t.Errorf("exit %d: %s", code, out)
	}
}
