package orderrpc

import (
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

var errClosing = fault.New(fault.Unavailable, "DRAINING", "this instance is going away; reconnect").After(time.Second)

// Events serves WatchOrder as server-sent events (the WHATWG's EventSource): GET /v1/orders/{id}/events. Each
// event's id is the order's version, its name the state and its data the order as JSON. The stream ends once the
// order is final.
func (h *Handler) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		flush := http.NewResponseController(w)
		started := false
		err := h.watch(r.Context(), r.PathValue("id"), func(o *orderv1.Order) error {
			if !started {
				w.Header().Set("Content-Type", "text/event-stream")
				w.Header().Set("Cache-Control", "no-store")
				started = true
			}
			data, err := protojson.Marshal(o)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", o.GetVersion(), stateName(o.GetState()), data); err != nil {
				return err
			}
			return flush.Flush()
		})
		if err != nil && !started {
			_ = connect.NewErrorWriter().Write(w, r, rpc.ToConnect(err)) // the client is gone if this fails
		}
	})
}

func stateName(s orderv1.OrderState) string {
	for name, message := range states {
		if message == s {
			return string(name)
		}
	}
	return "unknown"
}
