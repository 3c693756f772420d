package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/meridian-commerce/meridian/internal/edge/octets"
)

// inline is up to how much is written in one go, before the answer is waited for. It fits into the buffers of a
// connection on which nothing is under way.
const inline = 8 << 10

// check refuses what could be read as something else than the one request that it is.
func (r *Request) check() error {
	if !token(r.Method) || r.Target == "" || !printable(r.Target) || !printable(r.Host) || r.Upgrade != "" && !token(r.Upgrade) {
		return fmt.Errorf("%w: method %.20q, target %.80q, host %.80q", ErrMalformed, r.Method, r.Target, r.Host)
	}
	for name, values := range r.Header {
		if !token(name) {
			return fmt.Errorf("%w: header name %.40q", ErrMalformed, name)
		}
		for _, v := range values {
			if !oneLine(v) {
				return fmt.Errorf("%w: value of %.40q", ErrMalformed, name)
			}
		}
	}
	if r.Length >= 0 && r.Rest == nil && r.Length != int64(len(r.Body)) {
		return fmt.Errorf("%w: %d bytes of a length of %d", ErrMalformed, len(r.Body), r.Length)
	}
	return nil
}

func token(s string) bool {
	for i := range len(s) {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// oneLine reports whether a value has no control character but tabs (RFC 9110, section 5.5).
func oneLine(s string) bool {
	for i := octets.LineEnd(s, 0); i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// printable reports whether s has nothing but visible ASCII.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// chunked reports whether the body goes in chunks.
func (r *Request) chunked() bool { return r.Length < 0 || len(r.Trailer) > 0 }

// appendHead appends the request line and the header.
func (r *Request) appendHead(b []byte) []byte {
	b = append(append(b, r.Method...), ' ')
	b = append(append(b, r.Target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, r.Host...), '\r', '\n')
	for name, values := range r.Header {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Host", "Trailer", "Connection", "Upgrade":
			continue
		}
		for _, v := range values {
			b = append(append(b, name...), ':', ' ')
			b = append(append(b, v...), '\r', '\n')
		}
	}
	switch {
	case r.chunked():
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for name := range r.Trailer {
			b = append(append(append(b, "Trailer: "...), name...), '\r', '\n')
		}
	case r.Length > 0, r.Method == http.MethodPost, r.Method == http.MethodPut, r.Method == http.MethodPatch:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), r.Length, 10), '\r', '\n')
	}
	switch {
	case r.Upgrade != "":
		b = append(append(append(b, "Connection: Upgrade\r\nUpgrade: "...), r.Upgrade...), '\r', '\n')
	case r.Fresh:
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, '\r', '\n')
}

// small reports whether a request goes out in one write.
func (r *Request) small(head int) bool {
	return r.Rest == nil && !r.chunked() && head+len(r.Body) <= inline
}

// writeBody writes the body behind a head that was written.
func (r *Request) writeBody(w io.Writer) error {
	if !r.chunked() {
		return r.writePlain(w)
	}
	chunks := chunkWriter{w}
	if _, err := chunks.Write(r.Body); err != nil {
		return err
	}
	if r.Rest != nil {
		if _, err := io.Copy(chunks, r.Rest); err != nil {
			return fmt.Errorf("wire: body: %w", err)
		}
	}
	end := []byte("0\r\n")
	for name, values := range r.Trailer {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !oneLine(v) {
				return fmt.Errorf("%w: trailer %.40q", ErrMalformed, name)
			}
			end = append(end, name+": "+strings.TrimSpace(v)+"\r\n"...)
		}
	}
	_, err := w.Write(append(end, '\r', '\n'))
	return err //nolint:wrapcheck // a connection's own
}

var errLength = errors.New("wire: the body is not as long as it was said to be")

func (r *Request) writePlain(w io.Writer) error {
	if _, err := w.Write(r.Body); err != nil || r.Rest == nil {
		return err //nolint:wrapcheck // a connection's own
	}
	left := r.Length - int64(len(r.Body))
	n, err := io.Copy(w, io.LimitReader(r.Rest, left))
	if err != nil {
		return fmt.Errorf("wire: body: %w", err)
	}
	if n != left {
		return errLength
	}
	return nil
}

// chunkWriter writes a chunk for each write.
type chunkWriter struct{ to io.Writer }

// Write implements io.Writer.
func (c chunkWriter) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil // an empty chunk would be the last
	}
	chunk := append(strconv.AppendInt(make([]byte, 0, len(b)+20), int64(len(b)), 16), '\r', '\n')
	if _, err := c.to.Write(append(append(chunk, b...), '\r', '\n')); err != nil {
		return 0, err //nolint:wrapcheck // a connection's own
	}
	return len(b), nil
}
