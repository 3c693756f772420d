package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\n"

// TestPlain: what is ordinary is read here, and whatever leaves something to interpret is left to net/http.
func TestPlain(t *testing.T) {
	t.Parallel()
	const length = "Content-Length: 4\r\n"
	for answer, want := range map[string]bool{
		okAnswer:          true,
		okAnswer + "body": true,
		"HTTP/1.1 404 Not Found\r\n" + length + "\r\n":                                   true,
		"HTTP/1.1 503 \r\ncontent-length: 0\r\nServer-Timing: app;dur=1\r\n\r\n":         true,
		"HTTP/1.1 200 OK\r\n" + length + "Connection: keep-alive\r\n\r\n":                true,
		"HTTP/1.1 200 OK\r\n" + length + strings.Repeat("A: b\r\n", maxLines-1) + "\r\n": true,
		"HTTP/1.1 200 OK\r\n" + length + strings.Repeat("A: b\r\n", maxLines) + "\r\n":   false,
		okAnswer[:len(okAnswer)-1]:                                                false,
		"HTTP/1.1 200 OK\r\n\r\n":                                                 false,
		"HTTP/1.0 200 OK\r\n" + length + "\r\n":                                   false,
		"HTTP/1.1 200\r\n" + length + "\r\n":                                      false,
		"HTTP/1.1 103 Early Hints\r\n" + length + "\r\n":                          false,
		"HTTP/1.1 204 No Content\r\n" + length + "\r\n":                           false,
		"HTTP/1.1 304 Not Modified\r\n" + length + "\r\n":                         false,
		"HTTP/1.1 200 OK\n" + length + "\r\n":                                     false,
		"HTTP/1.1 200 OK\r\n" + length + length + "\r\n":                          false,
		"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\n":                           false,
		"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\n":                         false,
		"HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456\r\n\r\n":             false,
		"HTTP/1.1 200 OK\r\n" + length + "Transfer-Encoding: chunked\r\n\r\n":     false,
		"HTTP/1.1 200 OK\r\n" + length + "Connection: close\r\n\r\n":              false,
		"HTTP/1.1 200 OK\r\n" + length + "Trailer: X\r\n\r\n":                     false,
		"HTTP/1.1 200 OK\r\n" + length + "Upgrade: x\r\n\r\n":                     false,
		"HTTP/1.1 200 OK\r\n" + length + "Pragma: no-cache\r\n\r\n":               false,
		"HTTP/1.1 200 OK\r\n" + length + " folded\r\n\r\n":                        false,
		"HTTP/1.1 200 OK\r\n" + length + "A : b\r\n\r\n":                          false,
		"HTTP/1.1 200 OK\r\n" + length + "A: b\rc\r\n\r\n":                        false,
		"HTTP/1.1 200 OK\r\n" + length + "A: \x00\r\n\r\n":                        false,
		"HTTP/1.1 200 OK\r\n" + length + strings.Repeat("a", readBuffer) + "\r\n": false,
	} {
		if got := new(plainAnswer).examine([]byte(answer)); got != want {
			t.Errorf("%.200q is plain: %v", answer, got)
		}
	}
}

// FuzzPlain: what is called plain is read by net/http as the same answer, to the same byte.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{
		okAnswer + "body", okAnswer + "bo", okAnswer + "body and more",
		"HTTP/1.1 503 \r\ncontent-length:\t0 \r\nx-a:\r\nX-A: b\r\n\r\nrest",
		"HTTP/1.1 200 OK\r\nContent-Length: 04\r\nContent-Encoding: x\r\nConnection: Keep-Alive\r\n\r\nbody",
		"HTTP/1.1 299 a  b\r\nContent-Length: 4\r\nConnection-: close\r\nTE: a\r\n\r\nbody",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p plainAnswer
		if !p.examine(b) {
			return
		}
		for i := range p.head { // it is not called so before all of its head is there
			if new(plainAnswer).examine(b[:i]) {
				t.Fatalf("%q is plain, and its first %d bytes are", b, i)
			}
		}
		c := &conn{Conn: nil, reader: bufio.NewReader(bytes.NewReader(b))}
		x := &Exchange{conn: c, request: &Request{Method: http.MethodGet}}
		if _, err := c.reader.Peek(1); err != nil || !x.plain() {
			t.Fatalf("%q is plain, and not read so: %v", b, err)
		}
		r := bufio.NewReader(bytes.NewReader(b))
		theirs, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet}) //nolint:bodyclose // it is read to its end
		if err != nil {
			t.Fatalf("%q is plain: %v", b, err)
		}
		if diff := cmp.Diff(sightOf(theirs), sightOf(&x.answer)); diff != "" {
			t.Errorf("%q is read differently (-net/http +wire)\n%s", b, diff)
		}
		left, _ := io.ReadAll(r)
		ours, _ := io.ReadAll(c.reader)
		if !bytes.Equal(left, ours) {
			t.Errorf("%q: net/http leaves %q, and this %q", b, left, ours)
		}
	})
}

// answerSight is all that a reader can see of an answer.
type answerSight struct {
	Status, Proto, Body string
	Code, Major, Minor  int
	Header, Trailer     http.Header
	Length              int64
	Coding              []string
	Close, Short, Empty bool
}

func sightOf(res *http.Response) answerSight {
	text, err := io.ReadAll(res.Body)
	return answerSight{
		res.Status, res.Proto, string(text), res.StatusCode, res.ProtoMajor, res.ProtoMinor, res.Header, res.Trailer,
		res.ContentLength, res.TransferEncoding, res.Close, errors.Is(err, io.ErrUnexpectedEOF), res.Body == http.NoBody,
	}
}
