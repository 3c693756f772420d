package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/health"
	"github.com/meridian-commerce/meridian/regions"
)

var (
	errLost   = errors.New("too many regions are lost")
	errSilent = errors.New("no answer in time")
)

func TestStreak(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		results string // . succeeds, x fails
		well    bool
	}{
		{"not checked", "", false},
		{"the first success decides", ".", true},
		{"the first failure too", "x", false},
		{"one failure means little", ".x", true},
		{"two do", ".xx", false},
		{"not in a row", ".x.x.x", true},
		{"one success is enough", ".xxxx.", true},
		{"after a failed start", "x.", true},
	}
	for _, tt := range tests {
		var s health.Streak
		for _, c := range tt.results {
			s.Observe(map[rune]error{'x': errLost}[c])
		}
		if got := s.Err() == nil; got != tt.well {
			t.Errorf("%s: %v", tt.name, s.Err())
		}
	}
}

func TestQuorum(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		results string // each a second after the one before: . written, x refused, - silent, ~ and GLOBAL rows too
		says    string // "": well
	}{
		{"not checked", "", "not checked yet"},
		{"written", ".", ""},
		{"refused at the start", "x", "lost"},
		{"silent at the start", "-", "no answer"},
		{"one refusal", ".x", ""},
		{"two refusals", ".xx", "cannot be written"},
		{"two with silence between", ".x-x", "cannot be written"},
		{"two with a write between", ".x.x", ""},
		{"back at once", ".xxxxx.", ""},
		{"leases move for seven seconds", ".-------", ""},
		{"and then it is written", ".-------.", ""},
		{"silence for longer than leases take to move", ".-----------", "no row of this region was written for 11s"},
		{"a refusal ends no silence", ".----------x-", "no row"},
		{"apart from the others for a moment", ".~~~", ""},
		{"apart from the others", ".~~~~", "no row of this region was written for 4s"},
	}
	for _, tt := range tests {
		var q health.Quorum
		now := time.Unix(1000, 0)
		for i, c := range tt.results {
			if i > 0 {
				now = now.Add(time.Second)
			}
			switch c {
			case '.':
				q.Written(now)
			case 'x':
				q.Refused(errLost)
			case '-', '~':
				q.Silent(errSilent)
			}
		}
		switch err := q.Err(now, strings.HasSuffix(tt.results, "~")); {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v; want %q", tt.name, err, tt.says)
		}
	}
}

func TestQuorumAsksAgainSoon(t *testing.T) {
	t.Parallel()
	var q health.Quorum
	q.Written(time.Unix(0, 0))
	if q.Doubtful() {
		t.Error("nothing was refused")
	}
	if q.Refused(errLost); !q.Doubtful() {
		t.Error("one refusal is worth asking again")
	}
	if q.Refused(errLost); q.Doubtful() {
		t.Error("two are a verdict")
	}
}

func TestSpell(t *testing.T) {
	t.Parallel()
	var s health.Spell
	start := time.Unix(0, 0)
	for i, tt := range []struct {
		so   bool
		want time.Duration
	}{{true, 0}, {true, time.Second}, {true, 2 * time.Second}, {false, 0}, {true, 0}, {true, time.Second}} {
		if got := s.Observe(start.Add(time.Duration(i)*time.Second), tt.so); got != tt.want {
			t.Errorf("after %d s: %v, want %v", i, got, tt.want)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	const eu, us = regions.Name("eu-west-1"), regions.Name("us-east-1")
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	var p health.Progress
	if _, behind := p.Behind(at(0), []regions.Name{eu}); behind != 0 {
		t.Errorf("nothing was done, and it is %v behind", behind)
	}
	p.Step(at(0), eu, false) // it takes over with something to do
	p.Step(at(0), us, true)
	p.Step(at(20), eu, false)
	p.Step(at(20), us, true)
	if home, behind := p.Behind(at(21), []regions.Name{eu, us}); home != eu || behind != 21*time.Second {
		t.Errorf("%s is %v behind", home, behind)
	}
	if home, behind := p.Behind(at(22), []regions.Name{us}); home != us || behind != 2*time.Second {
		t.Errorf("without eu's lease: %s is %v behind", home, behind)
	}
	if home, behind := p.Behind(at(60), []regions.Name{eu}); behind != 0 {
		t.Errorf("what happened before the lease was lost counts: %s, %v", home, behind)
	}
	p.Step(at(61), eu, true)
	if _, behind := p.Behind(at(61), []regions.Name{eu}); behind != 0 {
		t.Errorf("caught up, and %v behind", behind)
	}
}

// A room of 16 that is full of short work is full; one that is full of what waits for a lease is at most a third so,
// since each waits for three seconds and counts for one.
func TestWorkCountsAndWaitingDoesNot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		takes    time.Duration
		from, to float64
	}{
		{"work", 100 * time.Millisecond, 0.95, 1},
		{"slow work", 600 * time.Millisecond, 0.95, 1},
		{"waiting", 3 * time.Second, 0, 0.5},
	} {
		now := time.Unix(0, 0)
		m := health.NewMeter(16, now)
		type busy struct {
			mark health.Mark
			ends time.Time
		}
		under := make([]busy, 16)
		for i := range under {
			under[i] = busy{m.Enter(now), now.Add(tt.takes * time.Duration(i+1) / 16)}
		}
		sum, n := 0.0, 0
		for range 1000 {
			now = now.Add(10 * time.Millisecond)
			for i := range under {
				if !now.Before(under[i].ends) {
					m.Leave(under[i].mark)
					under[i] = busy{m.Enter(now), now.Add(tt.takes)}
				}
			}
			if now.Sub(time.Unix(0, 0)) > 4*time.Second {
				sum, n = sum+m.Use(now), n+1
			}
		}
		if got := sum / float64(n); got < tt.from || got > tt.to {
			t.Errorf("%s: %.2f of the room is in use; want %v to %v", tt.name, got, tt.from, tt.to)
		}
	}
}

func TestMeterWithoutRoom(t *testing.T) {
	t.Parallel()
	m := health.NewMeter(0, time.Unix(0, 0))
	m.Enter(time.Unix(0, 0))
	if got := m.Use(time.Unix(0, 0)); got != 0 {
		t.Errorf("%v of no room is in use", got)
	}
}

// Whatever comes and goes, a meter counts just what began within the last second and goes on, to a grain.
func TestMeterCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(0, 0)
		now := start
		m := health.NewMeter(1, start)
		type thing struct {
			mark  health.Mark
			began time.Time
		}
		var under []thing
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			if len(under) > 0 && rapid.Bool().Draw(t, "leaves") {
				i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
				m.Leave(under[i].mark)
				under = append(under[:i], under[i+1:]...)
			} else {
				under = append(under, thing{m.Enter(now), now})
			}
			least, most := 0, 0
			for _, u := range under {
				if age := now.Sub(u.began); age < 900*time.Millisecond {
					least++
				}
				if now.Sub(u.began) < time.Second {
					most++
				}
			}
			if got := int(m.Use(now)); got < least || got > most {
				t.Fatalf("%d count; between %d and %d began within the last second", got, least, most)
			}
		}
	})
}

func TestSkew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, after, database, want int64 }{ // seconds
		{0, 2, 1, 0}, {0, 2, 0, 0}, {0, 2, 2, 0}, {0, 2, 5, -3}, {0, 2, -7, 7},
	} {
		then := func(seconds int64) time.Time { return time.Unix(1_000_000+seconds, 0) }
		if got := health.Skew(then(tt.before), then(tt.after), then(tt.database)); got != then(tt.want).Sub(then(0)) {
			t.Errorf("asked at %d, answered %d at %d: %v", tt.before, tt.database, tt.after, got)
		}
	}
}
