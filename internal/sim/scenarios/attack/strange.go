package attack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
)

const answerTime = 5 * time.Second // a request without an answer by then counts as such

const unanswered = "none" // in place of a status

// tally counts answers, by status or by reason. It is safe for concurrent use.
type tally struct {
	running sync.WaitGroup
	mu      sync.Mutex
	counts  map[string]int
}

func (t *tally) add(answer string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[answer]++
}

func (t *tally) total() (sum int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := range maps.Values(t.counts) {
		sum += n
	}
	return sum
}

// String lists them, as in 400: 12, 431: 3, none: 1.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, answer := range slices.Sorted(maps.Keys(t.counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", answer, t.counts[answer]))
	}
	return strings.Join(parts, ", ")
}

// oddity is a request that no stack can be sent: as HTTP/1.1, or the header fields of one over HTTP/2.
type oddity struct {
	text   string
	fields []hpack.HeaderField
}

// oddities are of each kind one. Whatever is said of a trailer comes with an event stream, which goes to stacks another way.
func oddities() []oddity {
	const end = " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Forwarded-For: " + attacker + "\r\n"
	const place, long = orderv1connect.OrderServicePlaceOrderProcedure, 33 << 10
	trailer := func(announced, sent string) oddity {
		return oddity{text: "POST " + place + end + "Accept: text/event-stream\r\nTransfer-Encoding: chunked\r\n" + announced + "\r\n2\r\n{}\r\n0\r\n" + sent + "\r\n"}
	}
	h2 := func(method, path string) oddity {
		return oddity{fields: []hpack.HeaderField{
			{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "shop"}, {Name: ":path", Value: path},
			{Name: "x-forwarded-for", Value: attacker},
		}}
	}
	return []oddity{
		{text: "GET /?\xe9" + end + "\r\n"},
		{text: "GET /?q=café" + end + "\r\n"},
		{text: "GET http:first" + end + "\r\n"},
		{text: "GET /" + end + "X: " + strings.Repeat("y", long) + "\r\n\r\n"},
		{text: "GET /" + strings.Repeat("y", long) + end + "\r\n"},
		trailer("Trailer: a b\r\n", ""),
		trailer("", "Content-Length: 5\r\n"),
		trailer("Trailer: X-A\r\n", "X-A: \x01\r\n"),
		h2("GET", "first"),
		h2("GET", "/?\xe9"),
		h2("G T", "/"),
		h2("", "/"),
	}
}

// strange sends one oddity after the other at the rate, for a stretch; start is the first of them.
func (d *drill) strange(ctx context.Context, start int) {
	ctx, over := context.WithTimeout(ctx, d.stretch)
	defer over()
	all := oddities()
	pause := time.Duration(float64(time.Second) / d.rate)
	for n := start; clock.Sleep(ctx, pause) == nil; n++ {
		// What is under way when the stretch ends comes to its end.
		d.sent.running.Go(func() { d.sent.add(d.send(context.WithoutCancel(ctx), all[n%len(all)])) })
	}
}

// send makes a connection for an oddity and returns how it was answered.
func (d *drill) send(ctx context.Context, o oddity) string {
	c, err := d.dial(ctx, d.edge)
	if err != nil {
		return unanswered
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(answerTime)) // a connection that has ended says so when it is read
	if o.fields != nil {
		return overHTTP2(c, o.fields)
	}
	// The edge may answer and close before it has read all.
	go func() { _, _ = io.WriteString(c, o.text) }()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return unanswered
	}
	_ = res.Body.Close()
	return strconv.Itoa(res.StatusCode)
}

// overHTTP2 sends a request in clear text and returns its status. A stream that is reset, as one is that is malformed,
// says so.
func overHTTP2(c net.Conn, fields []hpack.HeaderField) string {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		_ = encoder.WriteField(f) // to memory
	}
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	go func() {
		if _, err := io.WriteString(c, http2.ClientPreface); err == nil && framer.WriteSettings() == nil {
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
		}
	}()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return unanswered
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return "reset"
		}
	}
}

// pour sends orders without a token, each from another address, as soon as the one before is answered, but not more than
// a connection's part of the rate.
func (d *drill) pour(ctx context.Context, connection int) {
	rt := shopper.Spread(d.flooding)
	apart := time.Duration(float64(time.Second) * float64(d.connections) / d.floodRate)
	began := time.Now().Add(apart * time.Duration(connection) / time.Duration(d.connections))
	for n := 0; clock.Sleep(ctx, time.Until(began.Add(time.Duration(n)*apart))) == nil; n++ {
		d.garbage.add(garbage(ctx, rt, d.edge, n))
	}
}

// garbage sends an order of nobody.
func garbage(ctx context.Context, rt http.RoundTripper, edge string, n int) string {
	body := strings.NewReader(strings.Repeat("{garbage", 1+n%20))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+edge+orderv1connect.OrderServicePlaceOrderProcedure, body)
	if err != nil {
		return unanswered
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("garbage-%d", n))
	res, err := rt.RoundTrip(req)
	if err != nil {
		return unanswered
	}
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	_ = res.Body.Close()
	return strconv.Itoa(res.StatusCode)
}
