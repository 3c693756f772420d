package sqltest

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// stack is what must be undone after the tests, newest first.
type stack struct {
	mu    sync.Mutex
	items []func()
}

var stops stack

func (s *stack) add(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = append(s.items, f)
}

func (s *stack) all() []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.items)
	slices.Reverse(out)
	return out
}

func account(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("sqltest: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("sqltest: uid of %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("sqltest: gid of %s: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
