package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
)

func TestKeysCertificates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	if code, out, errOut := run(t, "keys", "certificates", "--out", dir); code != 0 || strings.Count(out, "\n") != 6 {
		t.Fatalf("exit %d, printed %q and %q", code, out, errOut)
	}
	for _, short := range []string{"edge", "stack"} {
		if _, err := credentials.Open(credentialstest.InFolder(dir, short), nil); err != nil {
			t.Errorf("%s: %v", short, err)
		}
	}
	if code, _, errOut := run(t, "keys", "certificates", "--out", dir); code != 1 || !strings.Contains(errOut, "is there already") {
		t.Errorf("a second time: exit %d, %q", code, errOut)
	}
	if code, _, errOut := run(t, "keys", "certificates", "--out", dir, "--valid", "-1h"); code != 2 || !strings.Contains(errOut, "--valid") {
		t.Errorf("no time: exit %d, %q", code, errOut)
	}
}
