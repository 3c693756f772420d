package orderrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// heartbeat is how often a stream says that it is alive: proxies end what is silent for half a minute or a minute.
const heartbeat = 20 * time.Second

var errClosing = fault.New(fault.Unavailable, "DRAINING", "this instance is going away; reconnect").After(time.Second)

// errHead ends the watch of who asked for the head alone.
var errHead = errors.New("orderrpc: no more was asked for")

// Events serves WatchOrder as server-sent events (the WHATWG's EventSource): GET /v1/orders/{id}/events. Each
// event's id is the order's version, its name the state and its data the order as JSON. Who comes back with
// Last-Event-ID is sent what is newer. The stream ends once the order is final; who has seen that already is answered
// 204, which tells an EventSource to stay away. A HEAD is answered at once.
func (h *Handler) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known, _ := strconv.ParseInt(r.Header.Get("Last-Event-Id"), 10, 64) // what is no version of ours is none
		events := &eventStream{w: w}
		ctx, stop := context.WithCancel(r.Context())
		var beating sync.WaitGroup
		beating.Go(func() { events.beat(ctx) })
		err := h.watch(ctx, r.PathValue("id"), func(o *orderv1.Order) error {
			switch {
			case final(o) && o.GetVersion() <= known:
				return nil // the watch ends
			case r.Method == http.MethodHead:
				events.begin()
				return errHead
			case o.GetVersion() > known:
				return events.send(o)
			}
			return events.write(": nothing new\n\n")
		})
		stop()
		beating.Wait()
		switch {
		case events.started: // how it went is in the events
		case err != nil:
			_ = connect.NewErrorWriter().Write(w, r, rpc.ToConnect(err)) // the client is gone if this fails
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// eventStream writes one stream. It is safe for concurrent use.
type eventStream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	started bool
}

// beat keeps the stream alive from its first event on, until ctx ends.
func (s *eventStream) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		started := s.started
		s.mu.Unlock()
		if started {
			_ = s.write(":\n\n") // who has left is noticed by the next event, or by the server
		}
	}
}

func (s *eventStream) send(o *orderv1.Order) error {
	data, err := protojson.Marshal(o)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", o.GetVersion(), stateName(o.GetState()), data))
}

func (s *eventStream) write(text string) error {
	s.begin()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// begin sends the head of the stream, once.
func (s *eventStream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.w.WriteHeader(http.StatusOK)
	s.started = true
}

func final(o *orderv1.Order) bool {
	return o.GetState() == orderv1.OrderState_ORDER_STATE_FULFILLED || o.GetState() == orderv1.OrderState_ORDER_STATE_CANCELED
}

func stateName(s orderv1.OrderState) string {
	for name, message := range states {
		if message == s {
			return string(name)
		}
	}
	return "unknown"
}
