package health

import (
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Progress is how long background work has been behind in each region whose work this instance does. The zero
// Progress knows of none. It is safe for concurrent use.
type Progress struct {
	mu     sync.Mutex
	caught map[regions.Name]time.Time // when nothing was left to do last, or when the work began
}

// Step takes in that a step of a region's work ended, and whether nothing was left to do then.
func (p *Progress) Step(now time.Time, home regions.Name, caughtUp bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A first step counts as caught up: from there on it is known since when there was a backlog.
	if _, known := p.caught[home]; known && !caughtUp {
		return
	}
	if p.caught == nil {
		p.caught = map[regions.Name]time.Time{}
	}
	p.caught[home] = now
}

// Behind returns the region whose work has been behind for longest, among those whose work the instance does, and
// for how long; 0 if it does none. Others are forgotten.
func (p *Progress) Behind(now time.Time, does []regions.Name) (worst regions.Name, behind time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := make(map[regions.Name]time.Time, len(does))
	for _, home := range does {
		caught, known := p.caught[home]
		if !known {
			continue
		}
		kept[home] = caught
		if d := now.Sub(caught); d > behind {
			worst = home
			behind = d
		}
	}
	p.caught = kept
	return worst, behind
}
