package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// TestExport writes what was imported, in any of its currencies, and imports it: nothing changes.
func TestExport(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	if code, out, errOut := run(t, "catalog", "import", "--database.url", url, filepath.Join("..", "catalog", "shopify", "testdata", "markets.csv")); code != 0 {
		t.Fatal(out, errOut)
	}
	for _, currency := range []string{"USD", "EUR"} {
		code, file, said := run(t, "catalog", "export", "--database.url", url, "--currency", currency)
		if code != 0 || !strings.Contains(said, "3 products, 4 variants") || strings.Count(file, "Price / ") == 0 {
			t.Errorf("exit code %d, %s\n%s", code, said, file)
		}
		path := filepath.Join(t.TempDir(), "catalog.csv")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errOut := run(t, "catalog", "import", "--database.url", url, "--currency", currency, path); code != 0 || !strings.Contains(out, "3 products, 0 of them new or changed, 4 variants, 0 bad rows") {
			t.Errorf("exit code %d: %s%s", code, out, errOut)
		}
		if _, again, _ := run(t, "catalog", "export", "--database.url", url, "--currency", currency); again != file {
			t.Errorf("another file:\n%s\n%s", file, again)
		}
	}
	if code, _, errOut := run(t, "catalog", "export", "--database.url", url, "--currency", "QQQ"); code != 2 || !strings.Contains(errOut, "CURRENCY_UNKNOWN") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}
