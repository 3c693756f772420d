package healthsql

import (
	"context"
	"sync"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/internal/health"
)

// PoolMeter is a tracer that counts the database connections in use too. Connections is their meter.
type PoolMeter struct {
	*otelpgx.Tracer
	Connections *health.Meter

	since sync.Map // *pgx.Conn → health.Mark
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (p *PoolMeter) TraceAcquireEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if data.Err == nil && data.Conn != nil {
		p.since.Store(data.Conn, p.Connections.Enter(time.Now()))
	}
	p.Tracer.TraceAcquireEnd(ctx, pool, data)
}

// TraceRelease implements pgxpool.ReleaseTracer.
func (p *PoolMeter) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	found, _ := p.since.LoadAndDelete(data.Conn)
	if mark, ok := found.(health.Mark); ok {
		p.Connections.Leave(mark)
	}
}
