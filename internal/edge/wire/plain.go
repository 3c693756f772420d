package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"

	"golang.org/x/net/http/httpguts"

	"github.com/meridian-commerce/meridian/internal/edge/octets"
)

const (
	maxLines   = 64 // of a plain answer's header
	maxDigits  = 15 // of its length
	answerLine = "HTTP/1.1 "
)

// plainAnswer is an answer as nearly all are: all of its head has arrived, it is written in the one way that leaves
// nothing to interpret, and has a length. Any other is read by net/http.
type plainAnswer struct {
	status  int
	text    span // the status, with its reason
	names   [maxLines]span
	values  [maxLines]span
	lines   int // of the header
	head    int // bytes, with the empty line
	length  int64
	lengths int
}

// span is where something begins and ends.
type span struct{ from, to uint16 }

// examine reports whether b begins with a plain answer's head, and fills p in if so. It is stricter than any HTTP
// parser: what it calls plain can be read in one way only.
func (p *plainAnswer) examine(b []byte) bool {
	p.lines, p.lengths = 0, 0
	at, ok := p.statusLine(b)
	for ok && at+1 < len(b) {
		if b[at] == '\r' {
			p.head = at + 2
			return b[at+1] == '\n' && p.lengths == 1
		}
		at, ok = p.line(b, at)
	}
	return false
}

// statusLine reads the first line, and returns where the next one begins. An informational answer, and one that has
// no body whatever its length, is not plain.
func (p *plainAnswer) statusLine(b []byte) (int, bool) {
	const from = len(answerLine)
	if len(b) < from+5 || len(b) > readBuffer || string(b[:from]) != answerLine || b[from] < '2' || b[from] > '5' {
		return 0, false
	}
	p.status = 0
	for _, digit := range b[from : from+3] {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		p.status = 10*p.status + int(digit-'0')
	}
	if b[from+3] != ' ' || p.status == http.StatusNoContent || p.status == http.StatusNotModified {
		return 0, false
	}
	end := octets.LineEnd(b, from+4)
	p.text = span{uint16(from), uint16(end)}
	return end + 2, end+1 < len(b) && b[end] == '\r' && b[end+1] == '\n'
}

// line reads one header line, and returns where the next one begins.
func (p *plainAnswer) line(b []byte, at int) (int, bool) {
	colon := at
	for colon < len(b) && httpguts.IsTokenRune(rune(b[colon])) {
		colon++
	}
	if colon == at || colon == len(b) || b[colon] != ':' || p.lines == maxLines {
		return 0, false
	}
	end := octets.LineEnd(b, colon+1)
	if end+1 >= len(b) || b[end] != '\r' || b[end+1] != '\n' {
		return 0, false
	}
	from, to := colon+1, end
	for from < to && blank(b[from]) {
		from++
	}
	for from < to && blank(b[to-1]) {
		to--
	}
	if !p.take(b[at:colon], b[from:to]) {
		return 0, false
	}
	p.names[p.lines], p.values[p.lines] = span{uint16(at), uint16(colon)}, span{uint16(from), uint16(to)}
	p.lines++
	return end + 2, true
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// take notes a header field, and reports whether a plain answer may have it.
func (p *plainAnswer) take(name, value []byte) bool {
	switch len(name) {
	case len("content-length"):
		if bytes.EqualFold(name, []byte("content-length")) {
			p.lengths++
			return p.number(value)
		}
	case len("transfer-encoding"):
		return !bytes.EqualFold(name, []byte("transfer-encoding"))
	case len("connection"):
		return !bytes.EqualFold(name, []byte("connection")) || bytes.EqualFold(value, []byte("keep-alive"))
	case len("trailer"): // and Upgrade
		return !bytes.EqualFold(name, []byte("trailer")) && !bytes.EqualFold(name, []byte("upgrade"))
	case len("pragma"):
		return !bytes.EqualFold(name, []byte("pragma"))
	}
	return true
}

// number reads the length of the body.
func (p *plainAnswer) number(value []byte) bool {
	if p.length = 0; len(value) == 0 || len(value) > maxDigits {
		return false
	}
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			return false
		}
		p.length = 10*p.length + int64(digit-'0')
	}
	return true
}

// fill makes of a plain answer what net/http makes of it, without the body.
func (p *plainAnswer) fill(res *http.Response, b []byte) {
	text := string(b[:p.head]) // one allocation for everything in it
	h, values := make(http.Header, p.lines), make([]string, p.lines)
	for i := range p.lines {
		name := textproto.CanonicalMIMEHeaderKey(text[p.names[i].from:p.names[i].to])
		value := text[p.values[i].from:p.values[i].to]
		if before, several := h[name]; several {
			h[name] = append(before, value)
			continue
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
	*res = http.Response{
		Status: text[p.text.from:p.text.to], StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: p.length, Body: http.NoBody,
	}
}

// plain reads the head of a plain answer, if that is what comes next.
func (x *Exchange) plain() bool {
	c := x.conn
	if m := x.request.Method; m != http.MethodGet && m != http.MethodPost {
		return false
	}
	b, _ := c.reader.Peek(c.reader.Buffered()) // what is buffered is there
	if !c.plain.examine(b) {
		return false
	}
	c.plain.fill(&x.answer, b)
	_, _ = c.reader.Discard(c.plain.head) // as above
	if x.answer.ContentLength > 0 {
		x.measured = measured{c, x.answer.ContentLength}
		x.answer.Body = &x.measured
	}
	return true
}

// measured is a body that has a length.
type measured struct {
	conn *conn
	left int64
}

// Read implements io.Reader.
func (m *measured) Read(b []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n, err := m.conn.reader.Read(b[:min(int64(len(b)), m.left)])
	switch m.left -= int64(n); {
	case m.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err //nolint:wrapcheck // a reader's own contract
}

// Close implements io.Closer. The exchange ends the connection.
func (*measured) Close() error { return nil }
