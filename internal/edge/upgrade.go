package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// join makes one connection of the caller's and the stack's, after the stack agreed to switch protocols, until
// either side ends it.
func (e *Edge) join(w http.ResponseWriter, x *exchange, res *http.Response) {
	stack, ok := res.Body.(io.ReadWriteCloser)
	if !ok || !strings.EqualFold(res.Header.Get("Upgrade"), x.class.upgrade) {
		e.fail(w, x, errors.New("edge: the stack switched to another protocol"))
		return
	}
	x.status = res.StatusCode
	h := w.Header()
	mergeAnswer(h, res.Header)
	x.stamp(h, e.regionValue)
	h["Connection"] = []string{"Upgrade"}
	h["Upgrade"] = []string{x.class.upgrade}
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
