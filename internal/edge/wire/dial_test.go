package wire_test

import (
	"context"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/edge/wire"
)

// over is a context whose deadline is over a moment before it ends.
type over struct{ context.Context }

func (over) Deadline() (time.Time, bool) { return time.Now(), true }

// TestDialThatTheCallerEnds: when a dialer gives up at the caller's deadline, the context says so too.
func TestDialThatTheCallerEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := wire.Dialer{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }}
		if _, err := d.Connect(over{ctx}, "tcp", "192.0.2.1:1"); err == nil || ctx.Err() == nil {
			t.Errorf("%v, while the context says %v", err, ctx.Err())
		}
	})
}
