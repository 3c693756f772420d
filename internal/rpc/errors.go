package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Domain is the domain of every ErrorInfo (AIP-193).
const Domain = "meridian"

var codes = map[fault.Kind]connect.Code{
	fault.Internal:           connect.CodeInternal,
	fault.Invalid:            connect.CodeInvalidArgument,
	fault.NotFound:           connect.CodeNotFound,
	fault.Exists:             connect.CodeAlreadyExists,
	fault.Unauthenticated:    connect.CodeUnauthenticated,
	fault.Denied:             connect.CodePermissionDenied,
	fault.FailedPrecondition: connect.CodeFailedPrecondition,
	fault.Aborted:            connect.CodeAborted,
	fault.Mismatch:           connect.CodeInvalidArgument,
	fault.Exhausted:          connect.CodeResourceExhausted,
	fault.Unavailable:        connect.CodeUnavailable,
	fault.Ambiguous:          connect.CodeUnknown,
}

// ToConnect maps an error to a Connect error: the kind becomes the code, reason and metadata an ErrorInfo,
// advice to retry a RetryInfo and a Retry-After header. The end of the call's own context is canceled or
// deadline_exceeded. Any other error that is no *fault.Error is a defect and tells the caller nothing of its text.
func ToConnect(err error) *connect.Error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
	case errors.Is(err, context.Canceled):
		return abandoned(connect.CodeCanceled)
	case errors.Is(err, context.DeadlineExceeded):
		return abandoned(connect.CodeDeadlineExceeded)
	default:
		known = fault.Wrap(err, fault.Internal, "INTERNAL", "something went wrong here")
	}
	return encode(codes[known.Kind], known)
}

func encode(code connect.Code, known *fault.Error) *connect.Error {
	out := connect.NewError(code, errors.New(known.Message))
	addDetail(out, &errdetails.ErrorInfo{Reason: known.Reason, Domain: Domain, Metadata: known.Metadata})
	// As a detail for generated clients, and as a header for everyone else.
	if known.RetryAfter > 0 {
		addDetail(out, &errdetails.RetryInfo{RetryDelay: durationpb.New(known.RetryAfter)})
		seconds := (known.RetryAfter + time.Second - 1) / time.Second // rounded up: who comes earlier is refused again
		out.Meta().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	status := 0 // said even so, so that Statuses tells it from Connect's own
	if known.Kind == fault.Mismatch {
		status = http.StatusUnprocessableEntity
	}
	out.Meta().Set(statusHeader, strconv.Itoa(status))
	return out
}

// abandoned is the error of a call that its caller gave up: a watch that was closed, for one.
func abandoned(code connect.Code) *connect.Error {
	return encode(code, reasoned(code, ""))
}

func addDetail(to *connect.Error, message proto.Message) {
	// An error without its detail is better than no error.
	if d, err := connect.NewErrorDetail(message); err == nil {
		to.AddDetail(d)
	}
}

// Errors maps what handlers return through ToConnect and logs the defects among it.
func Errors(log *slog.Logger) connect.Interceptor { return errorMapper{log} }

type errorMapper struct{ log *slog.Logger }

func (m errorMapper) mapped(ctx context.Context, procedure string, err error) error {
	if err == nil {
		return nil
	}
	// It was mapped by an inner interceptor, or is Connect's own.
	if known, already := errors.AsType[*connect.Error](err); already {
		if len(known.Details()) == 0 {
			return encode(known.Code(), reasoned(known.Code(), known.Message()))
		}
		return err
	}
	out := ToConnect(err)
	// Only defects are worth an operator's attention; callers cause the others at will.
	if c := out.Code(); c == connect.CodeInternal || c == connect.CodeUnknown {
		m.log.ErrorContext(ctx, "request failed", "procedure", procedure, "error", err)
	} else {
		m.log.DebugContext(ctx, "request refused", "procedure", procedure, "error", err)
	}
	return out
}

func (m errorMapper) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, r)
		return res, m.mapped(ctx, r.Spec().Procedure, err)
	}
}

func (m errorMapper) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (m errorMapper) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		return m.mapped(ctx, c.Spec().Procedure, next(ctx, c))
	}
}
