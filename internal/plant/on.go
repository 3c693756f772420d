//go:build plant

package plant

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Enabled reports whether this build can have planted bugs.
const Enabled = true

var (
	occasions atomic.Int64 // on which the one bug of this process could bite
	known     sync.Map     // what First was asked about
)

// Active reports whether this process has the bug: whether Env names it.
func Active(name string) bool { return os.Getenv(Env) == name }

// Bites reports whether the bug strikes now, which it does on every n-th occasion, and notes it in the file that Bitten
// names: a process that is killed has told how often it bit.
func Bites(name string, n int64) bool {
	if !Active(name) || occasions.Add(1)%n != 0 {
		return false
	}
	if path := os.Getenv(Bitten); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString("x")
			_ = f.Close() // nothing is buffered
		}
		if err != nil {
			panic(fmt.Sprintf("plant: %s cannot be counted: %v", name, err))
		}
	}
	return true
}

// First reports whether this process is asked about something for the first time.
func First(what string) bool {
	_, asked := known.LoadOrStore(what, true)
	return !asked
}

// Check reports a value of Env that names no bug. An empty one is fine.
func Check() error {
	if v := os.Getenv(Env); v != "" && !slices.Contains(Names(), v) {
		return fmt.Errorf("plant: %s is %q; the planted bugs are %s", Env, v, strings.Join(Names(), ", "))
	}
	return nil
}
