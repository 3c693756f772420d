package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
)

const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

// server is one HTTP listener, and what answers on it.
type server struct {
	http     *http.Server
	answer   func(net.Listener) error // as http.Server.Serve
	listener net.Listener
	underway underway
}

// listen serves on an address within the network, in clear text.
func listen(address string, h http.Handler) (*server, error) {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	plain := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, Protocols: protocols,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
	return bind(address, plain, plain.Serve)
}

// bind binds an address at once, so that one in use is an error before anything else starts.
func bind(address string, h *http.Server, answer func(net.Listener) error) (*server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "ADDRESS_UNUSABLE", "cannot listen on %s; is another process using it?", address)
	}
	s := &server{http: h, answer: answer, listener: l}
	h.ConnState = s.underway.note
	return s, nil
}

// serve answers until shutdown.
func (s *server) serve() error {
	err := s.answer(s.listener)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("app: serve %s: %w", s.listener.Addr(), err)
}

// shutdown accepts nothing more, lets running requests end, and cuts off those that do not until ctx does.
func (s *server) shutdown(ctx context.Context) error {
	// http.Server.Shutdown closes a connection whose request it reads just then, without an answer: whoever has connected
	// is answered before.
	closed := s.listener.Close()
	if errors.Is(closed, net.ErrClosed) {
		closed = nil // by Serve, which has failed
	}
	s.http.SetKeepAlivesEnabled(false)
	select {
	case <-s.underway.over():
	case <-ctx.Done():
	}
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	if errors.Is(err, net.ErrClosed) {
		err = nil // the listener, as above
	}
	return errors.Join(closed, err)
}

// underway follows the connections on which a request is awaited for the first time, read or answered. The zero value is
// ready; it is safe for concurrent use.
type underway struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	none  chan struct{} // closed when there is none; nil: nobody waits
}

// note is a hook of http.Server.
func (u *underway) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		if u.conns == nil {
			u.conns = map[net.Conn]struct{}{}
		}
		u.conns[c] = struct{}{}
		return
	}
	delete(u.conns, c)
	if len(u.conns) == 0 && u.none != nil {
		close(u.none)
		u.none = nil
	}
}

// over returns a channel that is closed once there is no such connection. It is called once.
func (u *underway) over() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	none := make(chan struct{})
	if len(u.conns) == 0 {
		close(none)
	} else {
		u.none = none
	}
	return none
}
