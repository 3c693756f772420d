package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// problem is an answer that the edge gives itself. What callers may conclude from its status: 400, the request
// is wrong; 503, nothing was done; 502 and 504, it is not known.
type problem struct {
	status int
	code   connect.Code
	*fault.Error
}

func invalid(err *fault.Error) *problem {
	return &problem{http.StatusBadRequest, connect.CodeInvalidArgument, err}
}

func notDone(err *fault.Error) *problem {
	return &problem{http.StatusServiceUnavailable, connect.CodeUnavailable, err.After(time.Second)}
}

func unknown(status int, code connect.Code, err *fault.Error) *problem {
	return &problem{status, code, err}
}

// late is the answer to who gave a time that ran out.
func late() *problem {
	return unknown(http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, fault.New(fault.Ambiguous, "DEADLINE_EXCEEDED",
		"The time that the caller gave ran out, and it is not known whether the request was done."))
}

// broken says why an answer that has begun breaks off.
func broken(x *exchange) *problem {
	switch {
	case errors.Is(x.ctx.Err(), context.DeadlineExceeded):
		return late()
	case x.class.Method.ReadOnly:
		return notDone(fault.New(fault.Unavailable, "ANSWER_BROKEN", "The answer broke off; ask again."))
	}
	return problemOf(nil, &x.class.Request, &x.course.decision)
}

// fail answers a request that could not be completed.
func (e *Edge) fail(w http.ResponseWriter, x *exchange, err error) {
	if x.ctx.Err() != nil {
		return // the caller left, or has waited long enough
	}
	e.log.LogAttrs(x.logged(), slog.LevelDebug, "request failed", slog.Any("error", err), slog.String("request_id", x.id))
	e.answer(w, x, problemOf(err, &x.class.Request, &x.course.decision))
}

// problemOf says what the failure of the last attempt means to the caller.
func problemOf(err error, r *decide.Request, d *decide.Decision) *problem {
	advice := "Repeat it with the same Idempotency-Key to learn the outcome."
	if r.Method.Idempotent {
		advice = "It may be repeated."
	}
	lost := connect.CodeUnknown
	if r.Method.ReadOnly {
		lost = connect.CodeUnavailable // nothing can have been done
	}
	switch {
	case errors.Is(err, errUnsure):
		return unknown(http.StatusBadGateway, lost, fault.New(fault.Ambiguous, "OUTCOME_UNKNOWN",
			"The request was tried twice, and it is not known whether it was done. %s", advice))
	case errors.Is(err, errNoTarget) && d.Forbidden:
		return &problem{http.StatusUnavailableForLegalReasons, connect.CodeFailedPrecondition, fault.New(fault.FailedPrecondition, "RESIDENCY_FORBIDS",
			"The user's data may not leave its residency group, and no region of the group can take the request now. Nothing was done.").After(time.Second)}
	case errors.Is(err, errNoTarget) && d.Drained:
		return notDone(fault.New(fault.Unavailable, "PINNED_REGION_DRAINED",
			"Region %s, which %s asks for, was taken out of service. Nothing was done.", r.Require, headerRegion))
	case errors.Is(err, errNoTarget) && r.Require != "":
		return notDone(fault.New(fault.Unavailable, "PINNED_REGION_UNHEALTHY",
			"Region %s, which %s asks for, has no healthy instance. Nothing was done.", r.Require, headerRegion))
	case errors.Is(err, errNoTarget):
		return notDone(fault.New(fault.Unavailable, "NO_HEALTHY_REGION",
			"No region can take the request now. Nothing was done; try again in a while."))
	case errors.Is(err, errTimeout):
		return unknown(http.StatusGatewayTimeout, connect.CodeDeadlineExceeded, fault.New(fault.Ambiguous, "UPSTREAM_TIMEOUT",
			"No answer came in time, and it is not known whether the request was done. %s", advice))
	case errors.Is(err, wire.ErrMalformed):
		return invalid(fault.New(fault.Invalid, "NOT_FORWARDABLE", "The request asks for what a proxy cannot pass on."))
	}
	return unknown(http.StatusBadGateway, lost, fault.New(fault.Ambiguous, "UPSTREAM_FAILED",
		"The connection broke before an answer came, and it is not known whether the request was done. %s", advice))
}

// answer writes a problem in the form that the caller's protocol expects.
func (e *Edge) answer(w http.ResponseWriter, x *exchange, p *problem) {
	x.status = p.status
	h := w.Header()
	x.stamp(h, e.regionValue)
	h.Set("Cache-Control", "no-store")
	rpc.Refuse(w, x.in, p.code, p.status, p.Error)
}
