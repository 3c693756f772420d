package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// forward sends the request to a stack and passes its answer on.
func (e *Edge) forward(w http.ResponseWriter, x *exchange) {
	x.out.Interim = func(status int, h http.Header) { passInterim(w, status, h) }
	res, err := e.roundTrip(x)
	if err != nil {
		e.fail(w, x, err)
		return
	}
	defer func() { _ = res.Body.Close() }() // it was read, or what comes of it does not matter
	if res.StatusCode == http.StatusSwitchingProtocols {
		e.join(w, x, res)
		return
	}
	x.status = res.StatusCode
	h := w.Header()
	mergeAnswer(h, res.Header)
	e.stamp(h, x)
	announced := len(res.Trailer)
	for name := range res.Trailer {
		h.Add("Trailer", name)
	}
	w.WriteHeader(res.StatusCode)
	if err := e.passBody(w, x, res); err != nil {
		// The answer began, so all that is left is to break it off, for the caller to see that it is not whole.
		panic(http.ErrAbortHandler)
	}
	passTrailer(w, res.Trailer, announced)
}

// mergeAnswer adds the headers of a stack's answer that are for the caller.
func mergeAnswer(h, answer http.Header) {
	connection := answer["Connection"]
	for name, values := range answer {
		if name != "Content-Length" && ofOneHop(name) || name == headerRegion || name == headerPrefer || forged(name) {
			continue
		}
		if named(connection, name) {
			continue
		}
		if before := h[name]; len(before) > 0 {
			values = append(slices.Clip(before), values...)
		}
		h[name] = values
	}
}

// named reports whether Connection names a header.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), name) {
				return true
			}
		}
	}
	return false
}

// passInterim passes an informational answer on. The headers that wait for the final one are left as they are.
func passInterim(w http.ResponseWriter, status int, interim http.Header) {
	h := w.Header()
	waiting := maps.Clone(h)
	clear(h)
	mergeAnswer(h, interim)
	w.WriteHeader(status)
	clear(h)
	maps.Copy(h, waiting)
}

// passBody copies the body as it comes. What has no length may be a stream: all that came is sent on before more
// is waited for.
func (e *Edge) passBody(w http.ResponseWriter, x *exchange, res *http.Response) error {
	if res.Body == http.NoBody {
		return nil
	}
	flush := func() error { return nil }
	if res.ContentLength < 0 || strings.HasPrefix(first(res.Header, "Content-Type"), "text/event-stream") {
		control := http.NewResponseController(w)
		flush = func() error {
			if x.flight != nil && x.flight.Arrived() {
				return nil
			}
			return control.Flush()
		}
		if err := flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("edge: flush: %w", err)
		}
	}
	b := e.buffers.Get()
	defer e.buffers.Put(b)
	for {
		n, err := res.Body.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil {
				return fmt.Errorf("edge: write: %w", err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("edge: read: %w", err)
		}
		if err := flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("edge: flush: %w", err)
		}
	}
}

// passTrailer sends the trailer of an answer, which is complete when its body was read.
func passTrailer(w http.ResponseWriter, trailer http.Header, announced int) {
	if len(trailer) == 0 {
		return
	}
	_ = http.NewResponseController(w).Flush() // so that even a short body goes in chunks; one who left sees nothing
	h := w.Header()
	for name, values := range trailer {
		if forged(name) {
			continue
		}
		if len(trailer) != announced {
			name = http.TrailerPrefix + name
		}
		h[name] = append(h[name], values...)
	}
}

// join makes one connection of the caller's and the stack's, after the stack agreed to switch protocols, until
// either side ends it.
func (e *Edge) join(w http.ResponseWriter, x *exchange, res *http.Response) {
	stack, ok := res.Body.(io.ReadWriteCloser)
	if !ok || !strings.EqualFold(res.Header.Get("Upgrade"), x.upgrade) {
		e.fail(w, x, errors.New("edge: the stack switched to another protocol"))
		return
	}
	x.status = res.StatusCode
	h := w.Header()
	mergeAnswer(h, res.Header)
	e.stamp(h, x)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{x.upgrade}
	caller, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		x.status = 0
		e.fail(w, x, fmt.Errorf("edge: switch protocols: %w", err))
		return
	}
	defer func() { _ = caller.Close() }() // nothing more is said on it
	head := http.Response{StatusCode: res.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: h}
	if err := errors.Join(head.Write(buffered), buffered.Flush()); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = caller.Close(); _ = stack.Close() })()
	done := make(chan struct{}, 2)
	go func() { defer func() { done <- struct{}{} }(); splice(stack, buffered.Reader) }()
	go func() { defer func() { done <- struct{}{} }(); splice(caller, stack) }()
	<-done
	<-done
}

// splice copies until an end, which it passes on. When that cannot be, both directions end.
func splice(to io.WriteCloser, from io.Reader) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		return
	}
	_ = to.Close() // the other direction sees it
}
