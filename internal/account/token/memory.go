package token

import (
	"sync"
	"time"
)

// memory remembers verified tokens in two generations: the young one becomes the old one when it is full, and
// what was not asked for since is forgotten. It holds between limit and 2·limit tokens and never grows.
type memory struct {
	limit int

	mu         sync.Mutex
	young, old map[string]verified // by the whole token
}

type verified struct {
	claims  Claims
	expires time.Time
}

func newMemory(limit int) *memory {
	return &memory{limit: limit, young: map[string]verified{}}
}

func (m *memory) find(token string) (verified, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.young[token]; ok {
		return v, true
	}
	v, ok := m.old[token]
	if ok {
		m.put(token, v)
	}
	return v, ok
}

func (m *memory) add(token string, v verified) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(token, v)
}

func (m *memory) put(token string, v verified) {
	if len(m.young) >= m.limit {
		// Two generations in place of a list by last use: what was asked for lately is in the young one, and the rest is
		// dropped at once, in constant time.
		m.old = m.young
		m.young = make(map[string]verified, m.limit)
	}
	m.young[token] = v
}
