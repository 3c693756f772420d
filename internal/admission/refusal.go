package admission

import (
	"math/rand/v2"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// reasonOverload is what metrics call a refusal for want of room.
const reasonOverload = "overload"

// limit refuses a request whose caller has sent as many as it may, by the name of that limit.
func (g *Gate) limit(w http.ResponseWriter, r *http.Request, c method.Class, name string, after time.Duration, begun time.Time) {
	g.metrics.refuse(c, name, http.StatusTooManyRequests, begun)
	g.refuse(w, r, connect.CodeResourceExhausted, http.StatusTooManyRequests, fault.New(fault.Exhausted, "RATE_LIMITED",
		"You send more requests than you may. Nothing was done; wait as long as Retry-After says.").After(after))
}

// overload refuses a request for which there is no room.
func (g *Gate) overload(w http.ResponseWriter, r *http.Request, c method.Class, begun time.Time) {
	g.metrics.refuse(c, reasonOverload, http.StatusServiceUnavailable, begun)
	after := time.Duration(1+rand.IntN(3)) * time.Second // drawn, so that those refused together do not come back together
	g.refuse(w, r, connect.CodeUnavailable, http.StatusServiceUnavailable, fault.New(fault.Unavailable, "OVERLOADED",
		"There are more requests than can be served now. Nothing was done; wait as long as Retry-After says.").After(after))
}

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, code connect.Code, status int, why *fault.Error) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Meridian-Edge-Region", string(g.cfg.Region))
	rpc.Refuse(w, r, code, status, why)
}
