package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/procfs"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

// usage is what has been used since the start, at one moment.
type usage struct {
	at                 time.Time
	edge, stack, redis time.Duration // processor time
	transactions, rows float64       // committed; written
	writing            float64       // transactions that changed or locked a row
	bytes              int64         // that callers received
}

// since returns what was used since an earlier moment, and how long ago that was.
func (u usage) since(earlier usage) (usage, time.Duration) {
	return usage{
		edge: u.edge - earlier.edge, stack: u.stack - earlier.stack, redis: u.redis - earlier.redis,
		transactions: u.transactions - earlier.transactions, rows: u.rows - earlier.rows, bytes: u.bytes - earlier.bytes,
		writing: u.writing - earlier.writing,
	}, u.at.Sub(earlier.at)
}

// scaled returns the share f of a usage.
func (u usage) scaled(f float64) usage {
	part := func(d time.Duration) time.Duration { return time.Duration(float64(d) * f) }
	return usage{
		edge: part(u.edge), stack: part(u.stack), redis: part(u.redis),
		transactions: u.transactions * f, rows: u.rows * f, bytes: int64(float64(u.bytes) * f), writing: u.writing * f,
	}
}

// system is what is measured.
type system interface {
	// usage reads every counter.
	usage(ctx context.Context) (usage, error)
	// flush returns when all that was done so far is in the database's counters.
	flush(ctx context.Context) error
}

// simulation measures the processes of a cluster of one region and one stack.
type simulation struct {
	db                 *pgxpool.Pool
	edge, stack, redis int // process ids
	received           func() int64
}

func newSimulation(ctx context.Context, r *scenario.Run, received func() int64) (*simulation, error) {
	s := &simulation{db: r.DB, received: received}
	region := string(r.Options.Plan.Regions[0].Name)
	pids := map[string]*int{region + "/edge": &s.edge, region + "/stack-1": &s.stack, region + "/redis": &s.redis}
	for _, p := range r.Cluster.Status(ctx).Regions[0].Processes {
		if pid := pids[p.Name]; pid != nil {
			*pid = p.PID
		}
	}
	if s.edge == 0 || s.stack == 0 || s.redis == 0 {
		return nil, errors.New("bench: the simulation lacks an edge, a stack or Redis")
	}
	return s, nil
}

func (s *simulation) usage(ctx context.Context) (usage, error) {
	u := usage{at: time.Now(), bytes: s.received()}
	var failed error
	for _, p := range []struct {
		pid  int
		into *time.Duration
	}{{s.edge, &u.edge}, {s.stack, &u.stack}, {s.redis, &u.redis}} {
		var err error
		*p.into, err = processorTime(p.pid)
		failed = errors.Join(failed, err)
	}
	err := s.db.QueryRow(ctx, `SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
		(SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables)::bigint,
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&u.transactions, &u.rows, &u.writing)
	if err != nil {
		failed = errors.Join(failed, fmt.Errorf("bench: the database's counters: %w", err))
	}
	return u, failed
}

// flushAfter is a little more than PostgreSQL lets a session that has become idle wait before it counts.
const flushAfter = 11 * time.Second

func (s *simulation) flush(ctx context.Context) error { return clock.Sleep(ctx, flushAfter) }

// processorTime returns how long a process has run, in user and in kernel mode.
func processorTime(pid int) (time.Duration, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, fmt.Errorf("bench: processor time: %w", err)
	}
	stat, err := p.Stat()
	if err != nil {
		return 0, fmt.Errorf("bench: processor time: %w", err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second)), nil
}

// peakMemory returns the most bytes that a process had resident.
func peakMemory(pid int) (int64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, fmt.Errorf("bench: memory: %w", err)
	}
	status, err := p.NewStatus()
	if err != nil {
		return 0, fmt.Errorf("bench: memory: %w", err)
	}
	if status.VmHWM == 0 {
		return 0, errors.New("bench: the kernel does not tell the memory's peak")
	}
	return int64(status.VmHWM), nil
}
