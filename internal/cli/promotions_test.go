package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestPromotions(t *testing.T) {
	t.Parallel()
	url, dir := sqltest.URL(t), t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	step := func(code int, says string, args ...string) {
		t.Helper()
		got, out, errOut := run(t, append([]string{"promotions", "--database.url", url}, args...)...)
		if all := strings.Join(strings.Fields(out+errOut), " "); got != code || !strings.Contains(all, says) {
			t.Errorf("%q exits with %d and says %q; want %d and %q", args, got, all, code, says)
		}
	}
	good := file("good.yaml", `
- {id: spring, name: Spring sale, percent: 10.5, tags: [tea], minimum: {EUR: 50.00}, from: 2001-03-01T00:00:00+01:00}
- {id: welcome, name: Welcome, code: welcome5, amount: {EUR: 5.00, JPY: 800}, until: 2001-01-01T00:00:00Z}
`)
	for range 2 {
		step(0, "2 promotions", "put", good)
	}
	step(0, "spring 0 10.5 % tea 50.00 EUR 2001-02-28T23:00:00Z true Spring sale welcome WELCOME5 0 5.00 EUR, 800 JPY all 2001-01-01T00:00:00Z false Welcome", "list")
	step(0, "", "disable", "spring")
	step(0, "2001-02-28T23:00:00Z false Spring sale", "list")
	step(1, "PROMOTION_NOT_FOUND", "disable", "autumn")
	step(2, "accepts 1 arg", "disable")
	step(2, "promotion \"Spring\": an id is", "put", file("bad.yaml", "- {id: Spring, name: Spring sale, percent: 10}\n"))
	step(2, "FILE_UNREADABLE", "put", filepath.Join(dir, "none.yaml"))
	step(1, "PROMOTION_CODE_TAKEN", "put", file("taken.yaml", "- {id: autumn, name: Autumn sale, percent: 10, code: WELCOME5}\n"))
}
