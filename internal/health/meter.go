package health

import (
	"sync"
	"time"
)

const (
	counts = time.Second            // for so long, something under way counts
	grain  = 100 * time.Millisecond // how finely its age is known
	cells  = 16                     // more than counts/grain
)

// Meter tells what part of a room is in use by what is under way. Each thing counts for its first second only: what
// takes longer waits for something that is no work of this instance (a lease on the move, another row's lock, the
// next event of a stream), and fewer requests would not end its wait. So a room that is full of work is full, and
// one that is full of waiting is not. It is safe for concurrent use.
type Meter struct {
	room  int
	began time.Time

	mu    sync.Mutex
	cells [cells]cell
}

// cell counts what began in one grain of time and goes on.
type cell struct {
	grain int64
	n     int
}

// Mark is when something began, to Leave by.
type Mark int64

// NewMeter returns the meter of a room for so many things; with 0 its use is always 0.
func NewMeter(room int, now time.Time) *Meter { return &Meter{room: room, began: now} }

// Enter counts one more thing under way.
func (m *Meter) Enter(now time.Time) Mark {
	at := m.grain(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.cells[at%cells]
	if c.grain != at {
		*c = cell{grain: at}
	}
	c.n++
	return Mark(at)
}

// Leave counts it no longer.
func (m *Meter) Leave(mark Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := &m.cells[int64(mark)%cells]; c.grain == int64(mark) {
		c.n--
	}
}

// Use returns what part of the room is in use: 1 when it is full, more when more is under way than it is for.
func (m *Meter) Use(now time.Time) float64 {
	if m.room <= 0 {
		return 0
	}
	at := m.grain(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, c := range m.cells {
		if at-c.grain < int64(counts/grain) {
			n += c.n
		}
	}
	return float64(n) / float64(m.room)
}

func (m *Meter) grain(now time.Time) int64 { return int64(max(0, now.Sub(m.began)) / grain) }
