package lease

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/regions"
)

const maxBackoff = 5 * time.Second

// Work is something that the holder of a region's lease does over and over.
type Work struct {
	Name  string
	Every time.Duration // pause after a step that found nothing to do; a busy one is followed at once
	// Step does a bounded amount of the region's work and returns how much it did. It returns soon after ctx
	// ended. After an error it is called again with a growing pause, up to 5 s.
	Step func(ctx context.Context, home regions.Name) (int, error)
	// Stopped, if there is one, is called when the work for a region has ended and will not go on here.
	Stopped func(home regions.Name)
}

// run repeats the step until ctx ends.
func (w Work) run(ctx context.Context, home regions.Name, log *slog.Logger) {
	if w.Stopped != nil {
		defer w.Stopped(home)
	}
	for failures := 0; ctx.Err() == nil; {
		n, err := w.Step(ctx, home)
		pause := w.Every
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			pause = backoff(failures)
			log.WarnContext(ctx, "background work failed; it is tried again", "work", w.Name, "home", home, "failures", failures, "pause", pause, "error", err)
		default:
			failures = 0
			// A step that did something may have left more, so the next one follows at once.
			if n > 0 {
				pause = 0
			}
		}
		_ = clock.Sleep(ctx, pause) // the loop looks at ctx
	}
}

// backoff doubles from 100 ms to 5 s; a random half of it keeps instances apart.
func backoff(failures int) time.Duration {
	d := min(50*time.Millisecond<<min(failures, 10), maxBackoff)
	return d/2 + rand.N(d/2) // jitter needs no seed: no result depends on it
}
