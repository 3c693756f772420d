package orderrpc

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestHeartbeat: a stream that has begun is never silent for half a minute, and what has not begun is left alone.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	for begun, want := range map[bool]string{false: "", true: ": nothing new\n\n:\n\n:\n\n:\n\n"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			w := httptest.NewRecorder()
			s := &eventStream{w: w}
			if begun {
				if err := s.write(": nothing new\n\n"); err != nil {
					t.Fatal(err)
				}
			}
			go s.beat(ctx)
			time.Sleep(3*heartbeat + time.Second)
			stop()
			synctest.Wait()
			if got := w.Body.String(); got != want {
				t.Errorf("begun %t: %q in a minute, want %q", begun, got, want)
			}
		})
	}
	if heartbeat < 15*time.Second || heartbeat > 30*time.Second {
		t.Errorf("one in %s", heartbeat)
	}
}
