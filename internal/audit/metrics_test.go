package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/audit"
	"github.com/meridian-commerce/meridian/regions"
)

func TestWriteMetrics(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "meridian.prom")
	found := []audit.Violation{{Invariant: audit.LedgerBalances, Detail: "1: x", IDs: []string{"x"}}}
	if err := audit.WriteMetrics(file, found, regions.Default(), time.Unix(1234, 0)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"meridian_audit_completed_timestamp_seconds 1234\n",
		"meridian_audit_violated{invariant=\"ledger-balances\"} 1\n",
		"meridian_audit_violated{invariant=\"stock-conserved\"} 0\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(string(text), "\nmeridian_audit_violated{"); n != len(audit.Invariants()) {
		t.Errorf("%d invariants", n)
	}
	if err := audit.WriteMetrics(filepath.Join(t.TempDir(), "absent", "f.prom"), nil, regions.Default(), time.Now()); err == nil {
		t.Error("a folder that is not there took the file")
	}
}
