package history

import (
	"errors"
	"net"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// OutOfStock is the reason of an order that the shop has too few units for.
const OutOfStock = "OUT_OF_STOCK"

// Draining is the reason with which an instance that goes away ends a stream: the caller is to open it anew.
const Draining = "DRAINING"

// Transport is the Code of requests that failed below Connect.
const Transport = "transport"

// Classify tells what an error of a Connect call lets the caller conclude, with its code and reason.
// Only an answer in Connect's own form can refuse: an error that a client library made up from a status
// line, a time-out or a lost connection leaves the effect unknown, and so do the codes that servers use
// when they do not know themselves.
func Classify(err error) (outcome Outcome, code, reason string) {
	if err == nil {
		return OK, "", ""
	}
	var ce *connect.Error
	if !errors.As(err, &ce) || !connect.IsWireError(err) {
		return Info, Transport, ""
	}
	code = ce.Code().String()
	reason = Reason(ce)
	switch ce.Code() {
	case connect.CodeUnknown, connect.CodeInternal, connect.CodeDataLoss, // 500
		connect.CodeDeadlineExceeded, connect.CodeCanceled: // 504, 499
		return Info, code, reason
	default:
		return Fail, code, reason
	}
}

// Unsent reports an error that came before anything was sent: no connection was made. It does not hold for requests with
// an Idempotency-Key, which net/http sends again by itself when a connection breaks: then only the last of them was unsent.
func Unsent(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// Reason returns the reason of the error's ErrorInfo, or "".
func Reason(err *connect.Error) string {
	for _, d := range err.Details() {
		v, _ := d.Value() // nil if it cannot be decoded
		if info, ok := v.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// Refusal reports whether an outcome is the answer of a service that works: the request was understood and
// declined for a reason of the shop's, such as stock that ran out. Such an answer is no loss of service.
func Refusal(reason string) bool {
	return reason == OutOfStock || reason == "CART_CHANGED" || reason == "TOTAL_CHANGED"
}
