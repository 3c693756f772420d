package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	http     answerer
	listener net.Listener
}

// answerer is what is needed of an http.Server.
type answerer interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// listen serves on an address within the network, in clear text.
func listen(address string, h http.Handler) (*server, error) {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return bind(address, &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, Protocols: protocols,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
	})
}

// bind binds an address at once, so that one in use is an error before anything else starts.
func bind(address string, s answerer) (*server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "ADDRESS_UNUSABLE", "cannot listen on %s; is another process using it?", address)
	}
	return &server{listener: l, http: s}, nil
}

// serve answers until shutdown.
func (s *server) serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("app: serve %s: %w", s.listener.Addr(), err)
	}
	return nil
}

// shutdown lets running requests end and cuts off those that do not until ctx does.
func (s *server) shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return s.http.Close()
	}
	return err
}
