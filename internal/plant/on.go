//go:build plant

package plant

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Enabled reports whether this build can have planted bugs.
const Enabled = true

// Active reports whether this process has the bug: whether Env names it.
func Active(name string) bool { return os.Getenv(Env) == name }

// Check reports a value of Env that names no bug. An empty one is fine.
func Check() error {
	if v := os.Getenv(Env); v != "" && !slices.Contains(Names(), v) {
		return fmt.Errorf("plant: %s is %q; the planted bugs are %s", Env, v, strings.Join(Names(), ", "))
	}
	return nil
}
