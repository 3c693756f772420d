package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/procfs"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
)

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

func (s *simulation) usage(ctx context.Context) (capacity.Cost, error) {
	u := capacity.Cost{Bytes: float64(s.received())}
	var errs [4]error
	u.EdgeMicros, _, errs[0] = process(s.edge)
	u.StackMicros, _, errs[1] = process(s.stack)
	u.RedisMicros, _, errs[2] = process(s.redis)
	if err := s.db.QueryRow(ctx, `SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
		(SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables)::bigint,
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&u.Transactions, &u.RowsWritten, &u.Writing); err != nil {
		errs[3] = fmt.Errorf("bench: the database's counters: %w", err)
	}
	return u, errors.Join(errs[:]...)
}

// flushAfter is a little more than PostgreSQL lets a session that has become idle wait before it counts.
const flushAfter = 11 * time.Second

func (s *simulation) flush(ctx context.Context) error { return clock.Sleep(ctx, flushAfter) }

// process returns the microseconds that a process has run, in user and in kernel mode, and the most bytes that it had
// resident.
func process(pid int) (micros float64, peak int64, err error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, fmt.Errorf("bench: processor time: %w", err)
	}
	stat, err := p.Stat()
	status, err2 := p.NewStatus()
	if err := errors.Join(err, err2); err != nil {
		return 0, 0, fmt.Errorf("bench: processor time and memory: %w", err)
	}
	return stat.CPUTime() * 1e6, int64(status.VmHWM), nil
}
