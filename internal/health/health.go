// Package health is the rules by which a stack instance tells whether it can do its job, and what part of what it
// can do is in use. It asks nobody: what was found out goes in, with the time, and a verdict comes out.
//
//	unready    the instance cannot do its job: edges send its requests elsewhere
//	degraded   it can, and something is wrong that sending requests elsewhere would not mend
//	load       how near it is to its limit: from 0.7 on, edges begin to share its requests with the next region
//
// What it promises: a cause that many regions share makes none of them unready. What takes long, such as a lease
// on the move, is not taken for a refusal; a bus that is away, or too much to do, degrades and no more; and what
// waits does not count as load.
package health

import (
	"errors"
	"fmt"
	"time"
)

// errUnknown is the verdict before anything was found out.
var errUnknown = errors.New("not checked yet")

// Streak is the verdict on a check whose single failure means little: it fails after two in a row, and is well again
// after one success. The zero Streak was not checked yet. It is not safe for concurrent use.
type Streak struct {
	failures int
	known    bool
	verdict  error
}

// falls is how many failures in a row make a Streak fail.
const falls = 2

// Observe takes a check's result in.
func (s *Streak) Observe(err error) {
	if err == nil {
		*s = Streak{known: true}
		return
	}
	// Before anything is known a single failure counts: there is no good state yet to keep through a blip.
	if s.failures++; s.failures >= falls || !s.known {
		s.known = true
		s.verdict = err
	}
}

// Err returns why the check counts as failed, nil if it does not.
func (s *Streak) Err() error {
	if !s.known {
		return errUnknown
	}
	return s.verdict
}

// Patience is how long a database may leave writes unanswered before a Quorum is given up: longer than the leases
// of a lost node take to move, which is seven seconds at most.
const Patience = 10 * time.Second

// PatienceApart is the same where rows of GLOBAL tables are not read either. While leases move, either the region's own rows
// or those are answered; an instance that gets neither is apart from all other regions, or the database has no quorum.
const PatienceApart = 3 * time.Second

// Quorum is the verdict on whether the region's rows can be written. Two refusals in a row say no: the region is cut
// off, or the database takes no writes. Silence says nothing until it has lasted for Patience, since every region
// whose leases move is silent for a while. The zero Quorum was not checked yet. It is not safe for concurrent use.
type Quorum struct {
	refused  int
	refusal  error
	answered time.Time // the last success; zero: none
	silence  error     // of the last attempt; nil after an answer
}

// Written takes in that a row was written.
func (q *Quorum) Written(now time.Time) { *q = Quorum{answered: now} }

// Refused takes in that the database refused to write, and will again until something changes.
func (q *Quorum) Refused(err error) {
	q.refused++
	q.refusal = err
	q.silence = nil
}

// Silent takes in that a write brought no answer, or none that means anything.
func (q *Quorum) Silent(err error) { q.silence = err }

// Doubtful reports whether one more refusal would be a verdict, so that it is worth asking again soon.
func (q *Quorum) Doubtful() bool { return q.refused == falls-1 }

// Err returns why the region's rows cannot be written, nil if they can. apart says that GLOBAL ones are not read either.
func (q *Quorum) Err(now time.Time, apart bool) error {
	patience := Patience
	if apart {
		patience = PatienceApart
	}
	switch {
	case q.refused >= falls:
		return fmt.Errorf("rows of this region cannot be written: %w", q.refusal)
	case q.answered.IsZero() && q.refusal != nil:
		return q.refusal
	case q.answered.IsZero() && q.silence != nil:
		return q.silence
	case q.answered.IsZero():
		return errUnknown
	case now.Sub(q.answered) > patience && q.silence != nil:
		return fmt.Errorf("no row of this region was written for %v: %w", now.Sub(q.answered).Round(time.Second), q.silence)
	}
	return nil
}

// MaxSkew is how far the clock of a process may be from the database's. Beyond it tokens are refused that are good, or
// taken that are not, and what one process says of a time means nothing to another. Where it is the database's own clock that
// is off, all instances of its region say so; where all regions have one database, all do, and edges use them all.
const MaxSkew = 5 * time.Second

// InTime is the verdict on one look at the clock.
func InTime(skew time.Duration) error {
	if skew.Abs() <= MaxSkew {
		return nil
	}
	return fmt.Errorf("this machine's clock is %v off the database's (less than 0: behind it); set it by NTP", skew)
}

// Skew returns by how much at least a clock is ahead of the database's (behind it: less than 0), where it read before when
// the database was asked for its time and after when the answer came.
func Skew(before, after, database time.Time) time.Duration {
	switch {
	case database.Before(before):
		return before.Sub(database)
	case database.After(after):
		return after.Sub(database)
	}
	return 0
}

// Spell is how long something has been so without a break. The zero Spell has not begun. It is not safe for
// concurrent use.
type Spell struct{ since time.Time }

// Observe takes in whether it is so now, and returns for how long it has been.
func (s *Spell) Observe(now time.Time, so bool) time.Duration {
	switch {
	case !so:
		s.since = time.Time{}
		return 0
	case s.since.IsZero():
		s.since = now
	}
	return now.Sub(s.since)
}
