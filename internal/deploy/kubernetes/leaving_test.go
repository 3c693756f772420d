package kubernetes

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// TestRotationsWaitForWhoLeaves: what `meridian keys rotate` takes for the longest end of a process is longer than that of any pod
// that shows or signs tokens.
func TestRotationsWaitForWhoLeaves(t *testing.T) {
	t.Parallel()
	command, _, err := cli.Root().Find([]string{"keys", "rotate"})
	if err != nil {
		t.Fatal(err)
	}
	waits, err := time.ParseDuration(command.Flags().Lookup("leaving").DefValue)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"edge", "browse", "checkout"} {
		text, err := os.ReadFile(filepath.Join(deploytest.Root(t), "deploy/k8s/base", part+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		ends := time.Duration(0)
		for _, m := range regexp.MustCompile(`MERIDIAN_SHUTDOWN_(?:DELAY|TIMEOUT), value: (\w+)`).FindAllStringSubmatch(string(text), -1) {
			d, err := time.ParseDuration(m[1])
			if err != nil {
				t.Fatal(err)
			}
			ends += d
		}
		if ends == 0 || ends > waits {
			t.Errorf("a pod of %s ends within %v, and a rotation waits %v for it", part, ends, waits)
		}
	}
}
