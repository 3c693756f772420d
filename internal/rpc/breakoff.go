package rpc

import (
	"encoding/binary"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// BreakOff ends an answer that has begun and cannot go on, in the form of its protocol: to a caller of gRPC a connection that
// ends is a defect of this side. It reports false for a protocol that has no word for it.
func BreakOff(w http.ResponseWriter, r *http.Request, code connect.Code, why *fault.Error) bool {
	err := encode(code, why)
	err.Meta().Del(statusHeader)
	late := &lateWriter{ResponseWriter: w, header: http.Header{}}
	switch kind := r.Header.Get("Content-Type"); {
	case r.Method != http.MethodPost:
		return false
	case strings.HasPrefix(kind, "application/connect+"):
		return refusals.Write(late, r, err) == nil
	case strings.HasPrefix(kind, "application/grpc-web"):
		_ = refusals.Write(late, r, err) // into late's header
		_, failed := w.Write(late.frame())
		return failed == nil
	case strings.HasPrefix(kind, "application/grpc"):
		_ = refusals.Write(late, r, err)
		for name, values := range late.status() {
			w.Header()[http.TrailerPrefix+name] = values
		}
		return true
	}
	return false
}

// lateWriter is for an answer whose head was sent.
type lateWriter struct {
	http.ResponseWriter
	header http.Header // of what is said now
}

// Header implements http.ResponseWriter.
func (w *lateWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *lateWriter) WriteHeader(int) {}

// status is what gRPC's trailer says.
func (w *lateWriter) status() http.Header {
	said := http.Header{}
	for name, values := range w.header {
		if strings.HasPrefix(name, "Grpc-") {
			said[name] = values
		}
	}
	return said
}

// frame is the status as gRPC-Web's last message.
func (w *lateWriter) frame() []byte {
	const trailer, head = 0x80, 5
	var text strings.Builder
	_ = w.status().Write(&text) // a Builder takes everything
	frame := make([]byte, head, head+text.Len())
	frame[0] = trailer
	binary.BigEndian.PutUint32(frame[1:], uint32(text.Len()))
	return append(frame, text.String()...)
}
