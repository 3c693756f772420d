package lane

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	flushAt    = 32 << 10 // bytes of an answer that are held back at most
	keptBuffer = 64 << 10 // larger buffers are not used again
)

// framing is how the end of an answer's body is told.
type framing uint8

const (
	undecided framing = iota // by what the handler does next
	byLength
	byChunks
	bodiless
)

// response is the answer to one request at a time. It is what http.ResponseWriter says that it is, except that it
// may be used by one goroutine only.
type response struct {
	conn     *conn
	header   http.Header
	status   int // 0 before WriteHeader
	framing  framing
	out      []byte   // what is to be written: the head, and as much of the body as there is
	body     []byte   // while undecided
	length   int64    // as said; -1: not said
	written  int64    // of the body
	typed    bool     // the head has a Content-Type, or is not to get one
	ended    bool     // the head has ended; what follows in out is body
	trailers []string // that are announced
	late     bool     // some are that are not
	closing  bool     // the connection ends after it
	failed   error
	date     []byte
	second   int64 // that date is of
}

// begin makes w ready for the next request.
func (w *response) begin(c *conn) {
	w.conn, w.status, w.framing, w.length, w.written, w.typed, w.ended = c, 0, undecided, -1, 0, false, false
	w.closing, w.failed, w.trailers, w.late = false, nil, nil, false
	if w.header == nil {
		w.header = make(http.Header, 24)
	}
	clear(w.header)
	w.out, w.body = kept(w.out), kept(w.body)
}

func kept(b []byte) []byte {
	if cap(b) > keptBuffer {
		return nil
	}
	return b[:0]
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("lane: %d is no status", status))
	case w.status != 0:
		w.conn.server.logf("lane: the status of an answer is set twice")
		return
	case status < http.StatusOK && status != http.StatusSwitchingProtocols:
		w.interim(status)
		return
	}
	w.status = status
	w.out = appendStatus(w.out, status)
	if status == http.StatusNoContent || status == http.StatusNotModified || status < http.StatusOK {
		w.framing = bodiless
	}
	w.appendHeader()
}

// interim writes an informational answer at once.
func (w *response) interim(status int) {
	w.out = appendStatus(w.out, status)
	for name, values := range w.header {
		if name == "Content-Length" || name == "Transfer-Encoding" {
			continue
		}
		w.appendField(name, values)
	}
	w.out = append(w.out, '\r', '\n')
	w.send()
}

func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	return append(append(append(b, ' '), text...), '\r', '\n')
}

// appendHeader appends the fields as they are now, and learns from them how the body goes.
func (w *response) appendHeader() {
	dated := false
	for name, values := range w.header {
		switch name {
		case "Transfer-Encoding":
			continue // it is not for handlers to say
		case "Content-Length":
			w.takeLength(values)
			continue
		case "Content-Type":
			if w.typed = true; w.status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			w.typed = w.typed || len(values) > 0 && values[0] != ""
		case "Date":
			dated = true
		case "Connection":
			w.closing = w.closing || len(values) > 0 && values[0] == "close"
		case "Trailer":
			w.declare(values)
		default:
			if strings.HasPrefix(name, http.TrailerPrefix) {
				w.late = true
				continue
			}
		}
		w.appendField(name, values)
	}
	if !dated {
		w.out = append(append(append(w.out, "Date: "...), w.now()...), '\r', '\n')
	}
	if w.conn.server.closing.Load() && !w.closing {
		w.closing = true
		w.out = append(w.out, "Connection: close\r\n"...)
	}
	if len(w.trailers) > 0 || w.late {
		w.length = -1
	}
	if w.framing == undecided && w.length >= 0 {
		w.framing = byLength
		w.out = append(strconv.AppendInt(append(w.out, "Content-Length: "...), w.length, 10), '\r', '\n')
	}
}

// takeLength reads the handler's word on the body's length. One that is no number does not count.
func (w *response) takeLength(values []string) {
	if len(values) == 0 {
		return
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n < 0 {
		w.conn.server.logf("lane: %.40q is no length", values[0])
		return
	}
	w.length = n
}

// declare notes trailers that are announced.
func (w *response) declare(values []string) {
	for _, line := range values {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); httpguts.ValidTrailerHeader(name) {
				w.trailers = append(w.trailers, name)
			}
		}
	}
}

// appendField appends a header field as one line for each value, with nothing in it that could end the line.
func (w *response) appendField(name string, values []string) {
	for i := range len(name) {
		if !httpguts.IsTokenRune(rune(name[i])) {
			return
		}
	}
	if name == "" {
		return
	}
	for _, v := range values {
		w.out = append(append(w.out, name...), ':', ' ')
		from := len(w.out)
		w.out = append(w.out, v...)
		w.out = append(trim(w.out, from), '\r', '\n')
	}
}

// trim removes blanks from both ends of a header's value, which is all from an index on, and puts blanks in place of
// line ends in it.
func trim(b []byte, from int) []byte {
	value := b[from:]
	clean := true
	for _, c := range value {
		clean = clean && c != '\n' && c != '\r'
	}
	for i := 0; !clean && i < len(value); i++ {
		if value[i] == '\n' || value[i] == '\r' {
			value[i] = ' '
		}
	}
	for len(value) > 0 && blank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	first := 0
	for first < len(value) && blank(value[first]) {
		first++
	}
	if first > 0 {
		value = value[:copy(value, value[first:])]
	}
	return b[:from+len(value)]
}

// now returns the date as headers have it.
func (w *response) now() []byte {
	now := time.Now()
	if second := now.Unix(); second != w.second {
		w.second = second
		w.date = now.UTC().AppendFormat(w.date[:0], http.TimeFormat)
	}
	return w.date
}

// endHead ends the head, before the first part of the body, which tells its type if the handler has not.
func (w *response) endHead(first []byte) {
	if w.ended {
		return
	}
	w.ended = true
	if w.framing != bodiless && !w.typed && len(first) > 0 {
		w.out = append(append(append(w.out, "Content-Type: "...), http.DetectContentType(first)...), '\r', '\n')
	}
	w.out = append(w.out, '\r', '\n')
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.written += int64(len(b))
	switch {
	case w.framing == bodiless:
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written > w.length:
		return 0, http.ErrContentLength
	case w.framing == undecided && len(w.body)+len(b) <= flushAt:
		w.body = append(w.body, b...)
		return len(b), nil
	case w.framing == undecided:
		w.chunk(b)
	}
	w.append(b)
	if len(w.out) > flushAt {
		w.send()
	}
	return len(b), w.failed
}

// append appends a part of the body as its framing asks for.
func (w *response) append(b []byte) {
	if len(b) == 0 {
		return // an empty chunk would be the last
	}
	if w.framing == byLength {
		w.endHead(b)
		w.out = append(w.out, b...)
		return
	}
	w.out = append(strconv.AppendInt(w.out, int64(len(b)), 16), '\r', '\n')
	w.out = append(append(w.out, b...), '\r', '\n')
}

// chunk decides that the body goes in chunks; next is what comes after that which was held back.
func (w *response) chunk(next []byte) {
	w.framing = byChunks
	w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	if len(w.body) > 0 {
		next = w.body
	}
	w.endHead(next)
	w.append(w.body)
	w.body = w.body[:0]
}

// FlushError implements what http.ResponseController looks for.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch w.framing {
	case undecided:
		w.chunk(nil)
	case bodiless:
		return nil // it is whole, and goes out at the end
	case byLength:
		w.endHead(nil)
	case byChunks:
	}
	w.send()
	return w.failed
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// SetReadDeadline implements what http.ResponseController looks for. All of the request has been read, so that
// there is nothing to bound.
func (*response) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements what http.ResponseController looks for.
func (w *response) SetWriteDeadline(by time.Time) error {
	return w.conn.SetWriteDeadline(by) //nolint:wrapcheck // the connection's own
}

// send writes what there is.
func (w *response) send() {
	if w.failed == nil && len(w.out) > 0 {
		_, w.failed = w.conn.Write(w.out)
	}
	w.out = w.out[:0]
}

// endChunks ends a body in chunks with its trailer.
func (w *response) endChunks() {
	w.out = append(w.out, "0\r\n"...)
	for _, name := range w.trailers {
		w.appendField(name, w.header[name])
	}
	for name, values := range w.header {
		if late, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			w.appendField(late, values)
		}
	}
	w.out = append(w.out, '\r', '\n')
}

// finish writes the rest, and reports whether the connection can be used again.
func (w *response) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.framing == undecided && (len(w.trailers) > 0 || w.late) {
		w.chunk(nil)
	}
	switch w.framing {
	case undecided:
		w.out = append(strconv.AppendInt(append(w.out, "Content-Length: "...), int64(len(w.body)), 10), '\r', '\n')
		w.endHead(w.body)
		w.out = append(w.out, w.body...)
	case bodiless:
		w.endHead(nil)
	case byChunks:
		w.endChunks()
	case byLength:
		w.endHead(nil)
		w.closing = w.closing || w.written != w.length // what was promised does not come
	}
	w.send()
	return w.failed == nil
}
