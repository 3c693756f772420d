package lane

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"

	"golang.org/x/net/http/httpguts"
)

// request is what one request needs beside itself: one allocation for all.
type request struct {
	ctx requestContext
	url url.URL
}

// request makes of a plain request what net/http's server makes of it. It reports false where that server would
// refuse it.
func (l *layout) request(made *request, b []byte) (*http.Request, bool) {
	text := string(b[:l.head]) // one allocation for everything in it
	target := text[l.target.from:l.target.to]
	if err := parse(&made.url, target); err != nil {
		return nil, false
	}
	r := new(http.Request).WithContext(&made.ctx) // the one way to give it a context that does not copy it once more
	r.Method, r.URL, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor = http.MethodGet, &made.url, target, "HTTP/1.1", 1, 1
	r.Body, r.ContentLength = http.NoBody, int64(l.body)
	if l.post {
		r.Method = http.MethodPost
	}
	if l.body > 0 {
		r.Body = &body{Reader: bytes.NewReader(bytes.Clone(b[l.head:l.length]))}
	}
	r.Header, r.Host = l.header(text)
	return r, httpguts.ValidHostHeader(r.Host)
}

// parse is url.ParseRequestURI. Of a path in which nothing is to be unescaped, as nearly all, there is nothing to parse.
func parse(u *url.URL, target string) error {
	end := 0
	for end < len(target) && literal(target[end]) {
		end++
	}
	switch {
	case end == 0 || target[0] != '/':
	case end == len(target):
		u.Path = target
		return nil
	case target[end] == '?' && end+1 < len(target):
		u.Path, u.RawQuery = target[:end], target[end+1:]
		return nil
	}
	parsed, err := url.ParseRequestURI(target)
	if err == nil {
		*u = *parsed
	}
	return err //nolint:wrapcheck // it ends here
}

// literal reports whether a character of a path stands for itself, and for nothing else.
func literal(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '/' || c == '.' || c == '-' || c == '_' || c == '~'
}

// header returns the header fields, and the host, which is not among them.
func (l *layout) header(text string) (h http.Header, host string) {
	h = make(http.Header, l.lines)
	values := make([]string, l.lines) // one allocation for all
	for _, f := range l.fields[:l.lines] {
		name, value := textproto.CanonicalMIMEHeaderKey(text[f.name.from:f.name.to]), text[f.value.from:f.value.to]
		if name == "Host" {
			host = value
			continue
		}
		if before, several := h[name]; several {
			h[name] = append(before, value)
			continue
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
	if p := h["Pragma"]; len(p) > 0 && p[0] == "no-cache" && h["Cache-Control"] == nil {
		h["Cache-Control"] = []string{"no-cache"} // as net/http's server has it (RFC 9111, section 5.4)
	}
	return h, host
}

// body is a request's body, which has all arrived.
type body struct {
	*bytes.Reader
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.Reader.Read(p) //nolint:wrapcheck // a reader's own contract
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.closed = true
	return nil
}
