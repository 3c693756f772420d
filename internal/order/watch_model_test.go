package order_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/order"
)

// seen is what one watcher was sent.
type seen struct {
	mu       sync.Mutex
	versions []int64
}

func (s *seen) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.versions) == 0 {
		return 0
	}
	return s.versions[len(s.versions)-1]
}

// add notes a version, and whether it is later than those before.
func (s *seen) add(version int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.versions); n > 0 && version <= s.versions[n-1] {
		return fmt.Errorf("version %d after %v", version, s.versions)
	}
	s.versions = append(s.versions, version)
	return nil
}

// Whatever is lost, late or away, each watcher sees versions that only grow, and the newest one once nothing is
// in the way.
func TestWatchersCatchUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"move", "move and lose the word", "lose the feed", "mend the feed", "fail", "sleep", "watch"}), 1, 40).Draw(r, "steps")
		slow := rapid.SliceOfN(rapid.IntRange(0, 3000), 40, 40).Draw(r, "milliseconds that a watcher takes")
		var failure error
		synctest.Test(t, func(t *testing.T) {
			f, stored := &feed{}, newStore()
			service, watchers := serve(stored, f)
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			defer running.Wait()
			defer stop()
			running.Go(func() { watchers.Run(ctx) })
			o, err := service.Place(ctx, request("k"))
			if err != nil {
				t.Fatal(err)
			}
			version := int64(1)
			var all []*seen
			for i, step := range steps {
				switch step {
				case "move", "move and lose the word":
					stored.move(o.ID, order.Confirmed)
					if version++; step == "move" {
						f.Publish(ctx, o.ID)
					}
				case "lose the feed":
					f.lose()
				case "mend the feed":
					f.mend()
				case "fail":
					stored.fail(3)
				case "sleep":
					time.Sleep(time.Duration(slow[i]) * time.Millisecond)
				case "watch":
					stored.fail(0) // a watch that begins reports what fails
					one := &seen{}
					all = append(all, one)
					running.Go(func() {
						_ = service.Watch(ctx, home, "u", o.ID, func(o order.Order) error { // ends with ctx
							if err := one.add(o.Version); err != nil {
								failure = err
							}
							time.Sleep(time.Duration(slow[i]) * time.Millisecond)
							return nil
						})
					})
					synctest.Wait()
				}
			}
			time.Sleep(2*3*time.Second + 3*poll + sweep) // two sends of the slowest, three failures, and the floor
			synctest.Wait()
			for i, one := range all {
				if got := one.last(); got != version {
					failure = fmt.Errorf("watcher %d saw version %d last, and the order has %d", i, got, version)
				}
			}
		})
		if failure != nil {
			r.Fatal(failure)
		}
	})
}
