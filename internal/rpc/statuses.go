package rpc

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// statusHeader carries an HTTP status that Connect's codes have no number for, or 0 for theirs, from encode to Statuses.
const statusHeader = "Meridian-Http-Status"

// Refuse answers a request that no handler of Connect's is to have, in the form that its protocol expects. The status is for
// protocols that have one.
func Refuse(w http.ResponseWriter, r *http.Request, code connect.Code, status int, why *fault.Error) {
	err := encode(code, why)
	err.Meta().Del(statusHeader)
	w.Header().Set(statusHeader, strconv.Itoa(status))
	_ = refusals.Write(&statusWriter{ResponseWriter: w, request: r}, r, err) // the caller may have left
}

var refusals = connect.NewErrorWriter()

// Statuses lets an error choose an HTTP status that Connect's table of codes lacks, such as 422. Clients read the code in the
// body, so the protocol is not affected. What Connect and http.ServeMux refuse themselves, it gives a reason, as all
// other errors have one.
func Statuses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A HEAD is the GET without its body, which the server drops. Of a stream there is none: it would not end.
		if r.Method == http.MethodHead && strings.Contains(r.URL.RawQuery, "encoding=") {
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		s := &statusWriter{ResponseWriter: w, request: r}
		next.ServeHTTP(s, r)
		if s.held != nil {
			s.refuse()
		}
		s.explain()
	})
}

type statusWriter struct {
	http.ResponseWriter
	request *http.Request
	status  int           // of what is held
	held    *bytes.Buffer // an error without a reason; nil: it is none
}

// WriteHeader replaces the status when an error asked for another.
func (w *statusWriter) WriteHeader(status int) {
	said := w.Header().Get(statusHeader)
	w.Header().Del(statusHeader)
	wanted, _ := strconv.Atoi(said) // ours, or none
	refused := status >= http.StatusBadRequest && strings.HasPrefix(w.Header().Get("Content-Type"), "application/json")
	_, plain := plainly[status]
	switch {
	case status == http.StatusOK: // of a protocol that says how it went elsewhere
	case wanted != 0:
		status = wanted
	case said == "" && (plain || refused):
		w.status = status
		w.held = new(bytes.Buffer)
		return
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", challenge(w.request))
	}
	w.ResponseWriter.WriteHeader(status)
}

// challenge says by what scheme a caller shows who it is, and whether what it showed was at fault (RFC 6750, section 3).
func challenge(r *http.Request) string {
	const scheme = `Bearer realm="meridian"`
	if _, shown := Bearer(r.Header); shown {
		return scheme + `, error="invalid_token"`
	}
	return scheme
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.held != nil {
		return w.held.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// refuse sends what is held with a reason.
func (w *statusWriter) refuse() {
	var own struct {
		Code    connect.Code `json:"code"`
		Message string       `json:"message"`
	}
	h := w.Header()
	h.Del("Content-Length")
	err := json.Unmarshal(w.held.Bytes(), &own)
	if why, plain := plainly[w.status]; plain && err != nil {
		Refuse(w.ResponseWriter, w.request, connect.CodeUnimplemented, w.status, why)
		return
	}
	status := w.status
	if own.Code == connect.CodeResourceExhausted {
		// Of WithReadMaxBytes: it is the request that is too large, and whoever counts the answers of an overloaded stack must
		// not count this one.
		status = http.StatusRequestEntityTooLarge
	}
	Refuse(w.ResponseWriter, w.request, own.Code, status, reasoned(own.Code, own.Message))
}

// explain gives a reason to a refusal of Connect's own that a caller of gRPC is to have as a trailer, or of gRPC-Web in the
// header: of one message that cannot be read.
func (w *statusWriter) explain() {
	h := w.Header()
	for _, prefix := range []string{"", http.TrailerPrefix} {
		delete(h, prefix+statusHeader)
		status, message := h[prefix+"Grpc-Status"], h[prefix+"Grpc-Message"]
		if len(status) != 1 || status[0] == "0" || len(message) != 1 || len(h[prefix+"Grpc-Status-Details-Bin"]) > 0 {
			continue
		}
		code, _ := strconv.ParseUint(status[0], 10, 32) // Connect's own
		text, err := url.PathUnescape(message[0])
		if err != nil {
			text = message[0]
		}
		why := encode(connect.Code(code), reasoned(connect.Code(code), text))
		why.Meta().Del(statusHeader)
		said := &lateWriter{ResponseWriter: w.ResponseWriter, header: http.Header{}}
		_ = refusals.Write(said, w.request, why) // into its header
		for name, values := range said.status() {
			h[prefix+name] = values
		}
	}
}

// plainly is what is refused without a body, or with one of plain text.
var plainly = map[int]*fault.Error{
	http.StatusNotFound:             fault.New(fault.NotFound, "METHOD_UNKNOWN", "there is no such method"),
	http.StatusMethodNotAllowed:     fault.New(fault.Invalid, "METHOD_NOT_ALLOWED", "this is called by another HTTP method; Allow names it"),
	http.StatusUnsupportedMediaType: fault.New(fault.Invalid, "CONTENT_TYPE_UNKNOWN", "send a Content-Type such as application/json, or by GET an encoding=json and a message"),
}

// reasoned gives a reason to an error of Connect's own. Its text is of the message's sender, but for how this program calls
// the message.
func reasoned(code connect.Code, message string) *fault.Error {
	if _, what, ok := strings.Cut(message, "unmarshal into "); ok {
		_, what, _ = strings.Cut(what, ": ") // behind the type
		message = "the message cannot be read: " + strings.TrimLeft(strings.TrimPrefix(what, "proto:"), " \u00a0")
	}
	switch code {
	case connect.CodeInvalidArgument:
		return fault.New(fault.Invalid, "MESSAGE_INVALID", "%s", message)
	case connect.CodeResourceExhausted:
		return fault.New(fault.Invalid, "BODY_TOO_LARGE", "%s", message)
	case connect.CodeUnimplemented:
		return fault.New(fault.Invalid, "ENCODING_UNKNOWN", "%s", message)
	case connect.CodeCanceled:
		return fault.New(fault.Unavailable, "CANCELED", "the caller did not wait for the answer")
	case connect.CodeDeadlineExceeded:
		return fault.New(fault.Ambiguous, "DEADLINE_EXCEEDED", "the time that the caller gave ran out")
	case connect.CodeUnknown, connect.CodeUnavailable:
		return fault.New(fault.Invalid, "BODY_UNREADABLE", "the request's body ended before it was complete")
	default:
		return fault.New(fault.Internal, "INTERNAL", "something went wrong here")
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher, which streaming handlers look for.
func (w *statusWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok && w.held == nil {
		w.explain()
		f.Flush()
	}
}
