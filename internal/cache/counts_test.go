package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCountsReachTheCarrierOnce(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	here, there := s.cache(t).Counts("views"), s.cache(t).Counts("views")
	other := s.cache(t).Counts("other")
	adding := func(n *Counts, id string, counts map[string]int64) {
		t.Helper()
		if err := n.Add(t.Context(), Batch{id, counts}); err != nil {
			t.Fatal(err)
		}
	}
	taking := func(n *Counts, id string, want Batch) {
		t.Helper()
		s.Client.Del(t.Context(), "counts:views:turn") // the turn is over
		got, err := n.Take(t.Context(), id, time.Hour)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("take %s: %v\n%s", id, err, diff)
		}
	}
	adding(here, "1", map[string]int64{"tea": 1, "pot": 2})
	adding(here, "1", map[string]int64{"tea": 1, "pot": 2}) // repeated: its answer was lost
	adding(there, "2", map[string]int64{"tea": 4})
	adding(other, "1", map[string]int64{"tea": 100})
	adding(here, "3", nil)
	first := Batch{"a", map[string]int64{"tea": 5, "pot": 2}}
	taking(here, "a", first)
	adding(there, "4", map[string]int64{"tea": 1})
	taking(there, "b", first) // not ended: again, and nothing else
	if got, err := there.Take(t.Context(), "c", time.Hour); err != nil || got.Counts != nil {
		t.Errorf("out of turn: %v, %v", got, err)
	}
	for _, id := range []string{"other", "a", "a"} {
		if err := there.Done(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	taking(here, "d", Batch{"d", map[string]int64{"tea": 1}})
	if err := here.Done(t.Context(), "d"); err != nil {
		t.Error(err)
	}
	taking(here, "e", Batch{})
}

func TestTurnsEnd(t *testing.T) {
	t.Parallel()
	n := startRedis(t).cache(t).Counts("views")
	if _, err := n.Take(t.Context(), "a", 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := n.Add(t.Context(), Batch{"1", map[string]int64{"tea": 1}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next turn comes", func() bool {
		b, err := n.Take(t.Context(), "b", 20*time.Millisecond)
		return err == nil && b.Counts["tea"] == 1
	})
}

// Adding, taking and ending by several processes at once loses and repeats nothing.
func TestCountsConcurrently(t *testing.T) {
	t.Parallel()
	const processes, adds = 4, 50
	s := startRedis(t)
	var mu sync.Mutex
	total, applied := int64(0), map[string]bool{}
	carry := func(n *Counts, id string) int {
		b, err := n.Take(t.Context(), id, time.Millisecond)
		if err != nil || len(b.Counts) == 0 {
			return 0
		}
		mu.Lock()
		if !applied[b.ID] {
			applied[b.ID] = true
			total += b.Counts["tea"]
		}
		mu.Unlock()
		if err := n.Done(t.Context(), b.ID); err != nil {
			t.Error(err)
		}
		return 1
	}
	var running sync.WaitGroup
	for p := range processes {
		n := s.cache(t).Counts("views")
		running.Go(func() {
			for i := range adds {
				id := fmt.Sprint(p, "-", i)
				for range 2 {
					if err := n.Add(t.Context(), Batch{id, map[string]int64{"tea": 1}}); err != nil {
						t.Error(err)
					}
				}
				carry(n, id)
			}
		})
	}
	running.Wait()
	rest := s.cache(t).Counts("views")
	eventually(t, "all is carried on", func() bool {
		carry(rest, fmt.Sprint("rest-", time.Now().UnixNano()))
		return s.Client.Exists(t.Context(), "counts:views", "counts:views:batch").Val() == 0
	})
	if total != processes*adds {
		t.Errorf("%d were carried on, want %d", total, processes*adds)
	}
}

func TestCountsWithoutRedis(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	s.Kill()
	for name, n := range map[string]*Counts{"none": newCache(t, Config{}).Counts("views"), "gone": s.cache(t).Counts("views")} {
		_, takeErr := n.Take(t.Context(), "a", time.Second)
		if err := n.Add(t.Context(), Batch{"1", map[string]int64{"tea": 1}}); err == nil || takeErr == nil || n.Done(t.Context(), "a") == nil {
			t.Errorf("%s: %v, %v", name, err, takeErr)
		}
	}
}
