package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

const socks = `Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Status
sock,Sock,Size,S,S-1,5,shopify,9,deny,active
sock,,,M,S-2,5,shopify,3,deny,
sock,,,L,S-3,5,,,deny,
`

// TestStock does what the how-to says, and everything twice.
func TestStock(t *testing.T) {
	t.Parallel()
	url := sqltest.URL(t)
	load := func(text string) {
		file := filepath.Join(t.TempDir(), "products.csv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errOut := run(t, "catalog", "import", file, "--database.url", url); code != 0 {
			t.Fatal(out, errOut)
		}
	}
	load(socks)
	stock := func(line string) (int, string) {
		code, out, errOut := run(t, append(strings.Fields("stock "+line), "--database.url", url)...)
		return code, strings.Join(strings.Fields(out+errOut), " ")
	}
	for _, step := range []struct {
		line string
		code int
		says string
	}{
		{"list S-1", 0, "region on hand reserved on the shelf sold in all"},
		{"list S-1", 0, "all 9 0 9 0 9"},
		{"receive S-1 --in eu-west-1 --units 12 --key po-1 --by Ada", 0, "eu-west-1 receive +12 3 -> 15 0 - Ada po-1"},
		{"receive S-1 --in eu-west-1 --units 12 --key po-1 --by Ada", 0, "This was done before, and changed nothing now: at"},
		{"receive S-1 --in eu-west-1 --units 13 --key po-1 --by Ada", 1, "IDEMPOTENCY_KEY_REUSED"},
		{"adjust S-1 --in eu-west-1 --units -2 --reason damaged --by Ada", 0, "adjust -2 15 -> 13 0 damaged Ada"},
		{"adjust S-1 --in eu-west-1 --units 2 --reason damaged", 2, "STOCK_REASON_INVALID"},
		{"adjust S-1 --in eu-west-1 --units -14 --reason lost", 1, "STOCK_SHORT"},
		{"count S-1 --in eu-west-1 --units 8", 0, "count -5 13 -> 8 0"},
		{"transfer S-1 --from eu-west-1 --to us-east-1 --units 3 --key move", 0, "transfer -3 8 -> 5 0 to us-east-1"},
		{"transfer S-1 --from eu-west-1 --to us-east-1 --units 3 --key move", 0, "transfer +3 3 -> 6 0 from eu-west-1"},
		{"transfer S-1 --from eu-west-1 --to eu-west-1 --units 3", 2, "STOCK_SAME_REGION"},
		{"transfer S-1 --from eu-west-1 --to mars-1 --units 3", 2, "REGION_UNKNOWN"},
		{"list S-1", 0, "all 14 0 14 0 14"},
		{"list S-1 --lines 1", 0, "transfer"},
		{"list S-1 --lines -1", 2, "--lines is 0 or more"},
		{"receive S-1 --in eu-west-1", 2, "--units is missing; see meridian stock receive --help"},
		{"receive S-1 --units 1", 2, "--in is missing"},
		{"adjust S-1 --in eu-west-1 --units 1", 2, "--reason is missing"},
		{"receive --in eu-west-1 --units 1", 2, "accepts 1 arg"},
		{"receive S-9 --in eu-west-1 --units 1", 1, "SKU_NOT_FOUND"},
		{"receive S-3 --in eu-west-1 --units 1", 1, "STOCK_UNTRACKED"},
		{"list S-3", 0, "It is sold without counting its units."},
	} {
		code, said := stock(step.line)
		if code != step.code || !strings.Contains(said, step.says) {
			t.Errorf("%s exits with %d and says %q; want %d and %q", step.line, code, said, step.code, step.says)
		}
	}
	if _, said := stock("receive S-2 --in eu-west-1 --units 1"); !strings.Contains(said, "the key is ") {
		t.Errorf("it says %q", said)
	}
	// Two variants exchange their SKUs: then each is the id of the one and the SKU of the other.
	load(strings.NewReplacer("S-1", "S-2", "S-2", "S-1").Replace(socks))
	if code, said := stock("list S-1"); code != 1 || !strings.Contains(said, "SKU_AMBIGUOUS") || !strings.Contains(said, "S-1 (SKU S-2 of product sock), S-2 (SKU S-1 of product sock)") {
		t.Errorf("exit %d: %s", code, said)
	}
	if code, said := stock("list S-1 --id"); code != 0 || !strings.Contains(said, "variant S-1, SKU S-2") {
		t.Errorf("exit %d: %s", code, said)
	}
	if code, out, errOut := run(t, "audit", "--database.url", url); code != 0 {
		t.Error(out, errOut)
	}
	stockJSON(t, url)
}

// stockJSON reads what --json prints.
func stockJSON(t *testing.T, url string) {
	t.Helper()
	type level struct {
		OnHand   int64 `json:"on_hand"`
		Allotted int64
	}
	type change struct {
		Region, Kind, Key, By string
		Units                 int64
		Before, After         level
	}
	parse := func(v any, args ...string) {
		code, out, errOut := run(t, append(args, "--database.url", url, "--json", "--id")...)
		if err := json.Unmarshal([]byte(out), v); code != 0 || err != nil {
			t.Fatalf("%q exits with %d, %v: %s%s", args, code, err, out, errOut)
		}
	}
	var done struct {
		Variant, SKU string
		Replayed     bool
		Changes      []change
	}
	parse(&done, "stock", "receive", "S-2", "--in", "eu-west-1", "--units", "2", "--key", "json", "--by", "Ada")
	if len(done.Changes) != 1 || done.Replayed || done.Variant != "S-2" || done.SKU != "S-1" {
		t.Fatalf("%+v", done)
	}
	was := done.Changes[0].Before.OnHand
	want := []change{{"eu-west-1", "receive", "json", "Ada", 2, level{was, was}, level{was + 2, was + 2}}}
	if diff := cmp.Diff(want, done.Changes); diff != "" {
		t.Error(diff)
	}
	var listed struct {
		Tracked bool
		Regions []level
		Total   level
		Journal []change
	}
	parse(&listed, "stock", "list", "S-2", "--lines", "1")
	if diff := cmp.Diff(want, listed.Journal); diff != "" || !listed.Tracked || len(listed.Regions) != 3 || listed.Total != (level{5, 5}) {
		t.Errorf("%+v\n%s", listed, diff)
	}
}
