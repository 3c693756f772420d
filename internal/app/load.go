package app

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meridian-commerce/meridian/internal/health"
)

// metered counts the requests of the API that are under way.
func metered(m *health.Meter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			next.ServeHTTP(w, r)
			return
		}
		mark := m.Enter(time.Now())
		defer m.Leave(mark)
		next.ServeHTTP(w, r)
	})
}

// poolMeter counts the database connections that are in use, beside tracing what they do.
type poolMeter struct {
	*otelpgx.Tracer
	meter *health.Meter
	since sync.Map // *pgx.Conn → health.Mark
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (p *poolMeter) TraceAcquireEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if data.Err == nil && data.Conn != nil {
		p.since.Store(data.Conn, p.meter.Enter(time.Now()))
	}
	p.Tracer.TraceAcquireEnd(ctx, pool, data)
}

// TraceRelease implements pgxpool.ReleaseTracer.
func (p *poolMeter) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	found, _ := p.since.LoadAndDelete(data.Conn)
	if mark, ok := found.(health.Mark); ok {
		p.meter.Leave(mark)
	}
}
