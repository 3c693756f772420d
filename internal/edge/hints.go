package edge

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// hints passes a stack's informational answers (103 Early Hints) on while the one that counts is waited for.
type hints struct {
	mu sync.Mutex // a transport may call from a goroutine of its own
	w  http.ResponseWriter
}

// traced returns a context by which whoever sends the request calls pass.
func (h *hints) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: h.pass})
}

// stop has no more of them passed on.
func (h *hints) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w = nil
}

// pass passes one on. The headers that wait for the final answer are left as they are.
func (h *hints) pass(code int, interim textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.w == nil || code == http.StatusContinue { // the caller was told to go on when its body was read
		return nil
	}
	header := h.w.Header()
	waiting := maps.Clone(header)
	clear(header)
	mergeAnswer(header, http.Header(interim))
	h.w.WriteHeader(code)
	clear(header)
	maps.Copy(header, waiting)
	return nil
}
