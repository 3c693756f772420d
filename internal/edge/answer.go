package edge

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/meridian-commerce/meridian/internal/edge/decide"
	"github.com/meridian-commerce/meridian/internal/edge/wire"
	"github.com/meridian-commerce/meridian/internal/fault"
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
	switch {
	case errors.Is(err, errUnsure):
		return unknown(http.StatusBadGateway, connect.CodeUnknown, fault.New(fault.Ambiguous, "OUTCOME_UNKNOWN",
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
	return unknown(http.StatusBadGateway, connect.CodeUnknown, fault.New(fault.Ambiguous, "UPSTREAM_FAILED",
		"The connection broke before an answer came, and it is not known whether the request was done. %s", advice))
}

// answer writes a problem in the form that the caller's protocol expects.
func (e *Edge) answer(w http.ResponseWriter, x *exchange, p *problem) {
	x.status = p.status
	h := w.Header()
	x.stamp(h, e.regionValue)
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	info := &errdetails.ErrorInfo{Reason: p.Reason, Domain: "meridian"}
	contentType := x.in.Header.Get("Content-Type")
	if strings.HasPrefix(contentType, "application/grpc") || strings.HasPrefix(contentType, "application/connect+") {
		err := connect.NewError(p.code, errors.New(p.Message))
		if detail, detailErr := connect.NewErrorDetail(info); detailErr == nil {
			err.AddDetail(detail)
		}
		if writeErr := connect.NewErrorWriter().Write(w, x.in, err); writeErr == nil {
			return
		}
	}
	e.answerJSON(x.logged(), w, p, info)
}

// errorBody is the Connect protocol's error, which plain HTTP callers get too.
type errorBody struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Details []errorDetail `json:"details"`
}

type errorDetail struct {
	Type  string            `json:"type"`
	Value string            `json:"value"`
	Debug map[string]string `json:"debug"`
}

func (e *Edge) answerJSON(ctx context.Context, w http.ResponseWriter, p *problem, info *errdetails.ErrorInfo) {
	value, err := proto.Marshal(info)
	if err != nil {
		e.log.WarnContext(ctx, "error detail cannot be encoded", slog.Any("error", err))
	}
	body, err := json.Marshal(errorBody{p.code.String(), p.Message, []errorDetail{{
		Type: string(info.ProtoReflect().Descriptor().FullName()), Value: base64.RawStdEncoding.EncodeToString(value),
		Debug: map[string]string{"reason": info.GetReason(), "domain": info.GetDomain()},
	}}})
	if err != nil {
		e.log.WarnContext(ctx, "error body cannot be encoded", slog.Any("error", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // the caller may have left
}
