package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// TestImportOfEveryFormat loads the sample of each format, twice: the second time changes nothing.
func TestImportOfEveryFormat(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	samples := filepath.Join("..", "catalog")
	step := func(code int, says string, args ...string) {
		t.Helper()
		got, out, errOut := run(t, append([]string{"catalog", "import", "--database.url", url}, args...)...)
		if all := out + errOut; got != code || !strings.Contains(all, says) {
			t.Errorf("%q exits with %d and says %q; want %d and %q", args, got, all, code, says)
		}
	}
	for _, file := range []struct {
		args  string
		code  int
		again string
	}{
		{"shopify/testdata/markets.csv", 0, "3 products, 0 of them new or changed, 4 variants, 0 bad rows"},
		{"woocommerce/testdata/store.csv --currency EUR", 1, "6 products, 0 of them new or changed, 7 variants, 7 bad rows"},
		{"merchant/testdata/feed.tsv", 1, "3 products, 0 of them new or changed, 4 variants, 8 bad rows"},
		{"merchant/testdata/feed.xml --format merchant", 1, "1 products, 0 of them new or changed, 2 variants, 1 bad rows"},
	} {
		args := strings.Fields(filepath.Join(samples, file.args))
		step(file.code, "new or changed", args...)
		step(file.code, file.again, args...)
	}
	// The samples reduce other prices for a time: whether they are reduced now depends on the day.
	var currencies, reduced int
	if err := db.QueryRow(t.Context(), `SELECT count(DISTINCT currency), count(compare_at) FILTER (WHERE sku IN ('KETTLE', 'LAMP-R')) FROM prices`).Scan(&currencies, &reduced); err != nil || currencies != 4 || reduced != 3 {
		t.Errorf("prices in %d currencies, of which %d are reduced for good, %v", currencies, reduced, err)
	}
	step(2, "MARKET_UNKNOWN", filepath.Join(samples, "shopify/testdata/markets.csv"), "--market", "Mars=USD")
	step(2, "CURRENCY_UNKNOWN", filepath.Join(samples, "shopify/testdata/markets.csv"), "--market", "International=QQQ")
	step(2, "UNKNOWN_FILE_FORMAT", filepath.Join(samples, "shopify/testdata/markets.csv"), "--format", "magento")
	step(2, "NOT_A_PRODUCT_FILE", filepath.Join(samples, "shopify/testdata/markets.csv"), "--format", "merchant")
	other := filepath.Join(t.TempDir(), "other.csv")
	if err := os.WriteFile(other, []byte("name,amount\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	step(2, "it lacks these columns of each: Shopify product export (CSV): Handle, Title, Variant Price", other)
}
