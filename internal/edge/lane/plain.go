package lane

import (
	"bytes"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/meridian-commerce/meridian/internal/edge/octets"
)

// verdict is what a connection's next bytes are.
type verdict uint8

const (
	plain   verdict = iota // a request that can be served here
	partial                // may become one
	strange                // anything else
)

// maxLines of a header are looked at.
const maxLines = 64

// layout is where the parts of a plain request are.
type layout struct {
	post   bool
	target span
	fields [maxLines]field
	lines  int // of fields
	head   int // bytes, with the empty line
	length int // bytes, with the body

	hosts   int
	lengths int
	body    int // bytes, as Content-Length says
}

// span is where something begins and ends.
type span struct{ from, to uint16 }

// field is a header field.
type field struct{ name, value span }

// examine says what b begins with, and fills l in if it is a plain request. It is stricter than any HTTP parser: what
// it calls plain can be read in one way only.
func (l *layout) examine(b []byte) verdict {
	l.lines, l.hosts, l.lengths, l.body = 0, 0, 0, 0
	if len(b) > bufferSize {
		b = b[:bufferSize]
	}
	at, v := l.requestLine(b)
	for v == plain {
		line := b[at:]
		switch {
		case len(line) < 2:
			return partial
		case line[0] == '\r':
			return l.end(b, at)
		case l.lines == maxLines:
			return strange
		}
		at, v = l.line(b, at)
	}
	return v
}

// end reads the empty line behind the header, and whether the body is there.
func (l *layout) end(b []byte, at int) verdict {
	if b[at+1] != '\n' || l.hosts != 1 || !l.post && l.body > 0 {
		return strange
	}
	l.head, l.length = at+2, at+2+l.body
	switch {
	case l.length > bufferSize:
		return strange
	case len(b) < l.length:
		return partial
	}
	return plain
}

const version = "HTTP/1.1\r\n"

// requestLine reads the request line, and returns where the header begins.
func (l *layout) requestLine(b []byte) (at int, v verdict) {
	for _, method := range [...]string{"GET /", "POST /"} {
		if n := min(len(b), len(method)); string(b[:n]) != method[:n] {
			continue
		} else if n < len(method) {
			return 0, partial
		}
		at, l.post = len(method), method == "POST /"
		break
	}
	if at == 0 {
		return 0, strange
	}
	from := at - 1
	for at < len(b) && b[at] > ' ' && b[at] < 0x7f {
		at++
	}
	if at == len(b) {
		return 0, partial
	}
	if b[at] != ' ' {
		return 0, strange
	}
	l.target = span{uint16(from), uint16(at)}
	rest := b[at+1:]
	if n := min(len(rest), len(version)); string(rest[:n]) != version[:n] {
		return 0, strange
	} else if n < len(version) {
		return 0, partial
	}
	return at + 1 + len(version), plain
}

// line reads one header line, and returns where the next one begins.
func (l *layout) line(b []byte, at int) (int, verdict) {
	colon := at
	for colon < len(b) && httpguts.IsTokenRune(rune(b[colon])) {
		colon++
	}
	if colon == len(b) {
		return 0, partial
	}
	if colon == at || b[colon] != ':' {
		return 0, strange
	}
	end := octets.LineEnd(b, colon+1)
	if end+1 >= len(b) {
		return 0, partial
	}
	if b[end] != '\r' || b[end+1] != '\n' {
		return 0, strange
	}
	from, to := colon+1, end
	for from < to && blank(b[from]) {
		from++
	}
	for from < to && blank(b[to-1]) {
		to--
	}
	if !l.take(b[at:colon], b[from:to]) {
		return 0, strange
	}
	l.fields[l.lines] = field{span{uint16(at), uint16(colon)}, span{uint16(from), uint16(to)}}
	l.lines++
	return end + 2, plain
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// take notes a header field, and reports whether a plain request may have it.
func (l *layout) take(name, value []byte) bool {
	switch name[0] | 0x20 {
	case 'h':
		if is(name, "host") {
			l.hosts++
			return l.hosts == 1 && len(value) > 0
		}
		return !is(name, "http2-settings")
	case 'c':
		switch {
		case is(name, "content-length"):
			l.lengths++
			return l.lengths == 1 && l.number(value)
		case is(name, "connection"):
			return is(value, "keep-alive")
		case is(name, "content-type"):
			return !begins(value, "application/grpc") && !begins(value, "application/connect+")
		}
	case 'a':
		return !is(name, "accept") || !bytes.Contains(bytes.ToLower(value), []byte("event-stream"))
	case 't':
		return !is(name, "transfer-encoding") && !is(name, "trailer") && !is(name, "te")
	case 'u':
		return !is(name, "upgrade")
	case 'e':
		return !is(name, "expect")
	case 'k':
		return !is(name, "keep-alive")
	case 'p':
		return !is(name, "proxy-connection")
	}
	return true
}

// number reads the length of a body.
func (l *layout) number(value []byte) bool {
	if len(value) == 0 || len(value) > 5 {
		return false
	}
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			return false
		}
		l.body = 10*l.body + int(digit-'0')
	}
	return true
}

// is compares with a lower-case word, in any case.
func is(b []byte, word string) bool { return len(b) == len(word) && begins(b, word) }

// begins reports whether b begins with a lower-case word, in any case.
func begins(b []byte, word string) bool {
	return len(b) >= len(word) && strings.EqualFold(string(b[:len(word)]), word)
}
