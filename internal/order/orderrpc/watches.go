package orderrpc

import (
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// watchesOfUser is how many watches one user may have open at one instance: more than anybody has tabs, and few enough
// that one account cannot hold the connections and the memory that all share.
const watchesOfUser = 32

var errTooMany = fault.New(fault.Exhausted, "WATCHES_TOO_MANY",
	"An account watches at most %d orders at a time here; end a watch before you begin another.", watchesOfUser).After(time.Second)

// watches counts those that are open. It is safe for concurrent use.
type watches struct {
	mu sync.Mutex
	of map[string]int // by user; none is 0
}

// enter counts one more, and reports false when a user has as many as it may.
func (w *watches) enter(user string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[user] >= watchesOfUser {
		return false
	}
	w.of[user]++
	return true
}

// leave ends what enter counted.
func (w *watches) leave(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[user]--; w.of[user] == 0 {
		delete(w.of, user)
	}
}
