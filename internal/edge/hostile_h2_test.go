package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// verdict is how an HTTP/2 request ended.
type verdict struct {
	status string        // "" for none
	code   http2.ErrCode // of the stream's reset, or of the connection's end
	ended  bool          // with the whole connection
}

// field is a header field as it goes over the wire, valid or not.
type field struct{ name, value string }

// h2 sends one request over cleartext HTTP/2, frame by frame, and returns how the edge ends it.
func (p *port) h2(t *testing.T, fields []field, body string) (v verdict) {
	t.Helper()
	c := p.dial(t)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	writeRequest(t, framer, fields, body)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			if !errors.Is(err, io.EOF) && !v.ended {
				t.Logf("read: %v", err)
			}
			v.ended = true
			return v
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			v.status = f.PseudoValue("status")
			if f.StreamEnded() {
				return v
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return v
			}
		case *http2.RSTStreamFrame:
			v.code = f.ErrCode
			return v
		case *http2.GoAwayFrame:
			v.code, v.ended = f.ErrCode, true
		}
	}
}

func writeRequest(t *testing.T, framer *http2.Framer, fields []field, body string) {
	t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value}); err != nil {
			t.Fatal(err)
		}
	}
	const most = 16 << 10
	first := block.Next(most)
	if err := framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: first, EndHeaders: block.Len() == 0, EndStream: body == "",
	}); err != nil {
		t.Fatal(err)
	}
	for block.Len() > 0 {
		part := block.Next(most)
		if err := framer.WriteContinuation(1, block.Len() == 0, part); err != nil {
			return // the edge closed already, and what it said is read
		}
	}
	if body != "" {
		_ = framer.WriteData(1, true, []byte(body)) // as above
	}
}

// downgraded is a request that HTTP/2 can carry.
type downgraded struct {
	fields  []field
	body    string
	served  bool
	reached string
}

// try sends the request to a port, and returns what is wrong with what becomes of it; "" for nothing.
func (d downgraded) try(t *testing.T, p *port) string {
	t.Helper()
	v := p.h2(t, d.fields, d.body)
	refused := v.status == "" && (v.code != http2.ErrCodeNo || v.ended) || strings.HasPrefix(v.status, "4") || v.status == "501"
	if d.served != (v.status == "200") || d.served == refused {
		return fmt.Sprintf("ended as %+v", v)
	}
	if got := strings.Join(p.reached(), "|"); got != d.reached {
		return fmt.Sprintf("the stack saw %q, want %q", got, d.reached)
	}
	return ""
}

func downgrades() map[string]downgraded {
	get := []field{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/first"}}
	post := []field{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/first"}}
	return map[string]downgraded{
		"a plain request":           {get, "", true, "GET /first "},
		"a body":                    {append(post[:4:4], field{"content-length", "4"}), "body", true, "POST /first body"},
		"a line end in a value":     {append(get[:4:4], field{"x", "a\r\nTransfer-Encoding: chunked"}), "", false, ""},
		"a line feed in a value":    {append(get[:4:4], field{"x", "a\nHost: y"}), "", false, ""},
		"a NUL in a value":          {append(get[:4:4], field{"x", "a\x00b"}), "", false, ""},
		"a line end in a name":      {append(get[:4:4], field{"x: a\r\ny", "b"}), "", false, ""},
		"a colon in a name":         {append(get[:4:4], field{"transfer-encoding: chunked\r\nx", "b"}), "", false, ""},
		"upper case in a name":      {append(get[:4:4], field{"Transfer-Encoding", "chunked"}), "", false, ""},
		"a transfer coding":         {append(post[:4:4], field{"transfer-encoding", "chunked"}), "0\r\n\r\n" + smuggled, false, ""},
		"a connection header":       {append(get[:4:4], field{"connection", "x-forwarded-for"}), "", false, ""},
		"an upgrade":                {append(get[:4:4], field{"upgrade", "h2c"}), "", false, ""},
		"keep-alive":                {append(get[:4:4], field{"keep-alive", "timeout=5"}), "", false, ""},
		"proxy-connection":          {append(get[:4:4], field{"proxy-connection", "close"}), "", false, ""},
		"te that is not trailers":   {append(get[:4:4], field{"te", "gzip"}), "", false, ""},
		"a length below the body":   {append(post[:4:4], field{"content-length", "0"}), smuggled, false, ""},
		"a length above the body":   {append(post[:4:4], field{"content-length", "99"}), "body", false, ""},
		"two lengths":               {append(post[:4:4], field{"content-length", "4"}, field{"content-length", "0"}), "body", false, ""},
		"a signed length":           {append(post[:4:4], field{"content-length", "+4"}), "body", false, ""},
		"a line end in the path":    {[]field{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/ HTTP/1.1\r\nX: y"}}, "", false, ""},
		"a space in the path":       {[]field{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/a HTTP/1.1"}}, "", true, "GET /a%20HTTP/1.1 "},
		"a line end in the method":  {[]field{{":method", "GET / HTTP/1.1\r\nX: y\r\n\r\n"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/first"}}, "", false, ""},
		"a line end in the host":    {[]field{{":method", "GET"}, {":scheme", "http"}, {":authority", "x\r\nX: y"}, {":path", "/first"}}, "", false, ""},
		"no path":                   {get[:3:3], "", false, ""},
		"an empty path":             {append(get[:3:3], field{":path", ""}), "", false, ""},
		"two paths":                 {append(get[:4:4], field{":path", "/other"}), "", false, ""},
		"a pseudo header afterward": {append(get[:3:3], field{"x", "y"}, field{":path", "/first"}), "", false, ""},
		"an unknown pseudo header":  {append(get[:4:4], field{":x", "y"}), "", false, ""},
		"too many header lines":     {append(get[:4:4], many(101)...), "", false, ""},
		"headers too long":          {append(get[:4:4], field{"x", strings.Repeat("y", 40<<10)}), "", false, ""},
	}
}

// TestDowngrade sends what HTTP/2 can carry and HTTP/1.1, which the stacks speak, would read as something else:
// line ends inside values and names, framing headers, headers of the connection.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	for name, d := range downgrades() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if wrong := d.try(t, newPort(t, nil)); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

func many(n int) (out []field) {
	for range n {
		out = append(out, field{"x", "y"})
	}
	return out
}
