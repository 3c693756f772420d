// Package lane serves a port that the Internet reaches: plain requests of HTTP/1.1 by itself, at a fraction of what
// net/http's server costs, and everything else by that server.
//
//	accept ─▶ TLS ─▶ HTTP/1.1? ─▶ is the request plain, and all there? ─yes─▶ handler ─▶ one write ─┐
//	                    │no                        │no                                              │
//	                    ▼                          ▼                   (next request) ◀─────────────┘
//	                 net/http       net/http, from this request's first byte to the connection's end
//
// A request is plain when it is a GET or a POST to a path, in the one way to write it that leaves nothing to
// interpret, asks for nothing special of the connection (upgrade, expectation, coding, trailer, close), announces
// no stream, and has arrived, body and all, within a second and a few KiB. Whatever is strange, long, slow or
// broken is thus read and refused by net/http alone. That plain requests are read here as they are there, to the last
// byte, is what the fuzz tests compare.
//
// Its guarantees:
//   - A handler sees the same request as from net/http's server, and its answer means the same. It can flush, and
//     send informational answers and trailers; it cannot hijack.
//   - A request's context ends when its caller leaves, as with net/http. The connection is only looked at for that
//     once somebody waits for the context to end: a handler that must notice has to wait for it.
//   - Time-outs, the logger and the handler are those of the http.Server; its ConnState, ConnContext and
//     BaseContext are not called for what is served here.
package lane

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves a port. It is safe for concurrent use.
type Server struct {
	http    *http.Server
	secure  *tls.Config // nil: clear text
	rest    *queue      // what net/http serves
	context context.Context
	closing atomic.Bool

	mu        sync.Mutex
	conns     map[*conn]struct{}
	listeners []net.Listener
}

// New returns a server that uses the settings and the handler of s, which must not be served or changed by anyone
// else from now on.
func New(s *http.Server) *Server {
	l := &Server{
		http: s, rest: newQueue(), conns: map[*conn]struct{}{},
		context: context.WithValue(context.Background(), http.ServerContextKey, s),
	}
	if s.TLSConfig == nil {
		return l
	}
	l.secure = s.TLSConfig.Clone()
	l.secure.DynamicRecordSizingDisabled = true // an answer is one record
	if s.Protocols != nil && s.Protocols.HTTP2() && !slices.Contains(l.secure.NextProtos, "h2") {
		l.secure.NextProtos = append([]string{"h2"}, l.secure.NextProtos...)
	}
	if !slices.Contains(l.secure.NextProtos, "http/1.1") {
		l.secure.NextProtos = append(l.secure.NextProtos, "http/1.1")
	}
	s.TLSConfig = l.secure.Clone()
	return l
}

const (
	leastPause = 5 * time.Millisecond // after a failure to accept, which may pass
	mostPause  = time.Second
)

// Serve serves the connections of l until Shutdown or Close, and returns http.ErrServerClosed then, or what is
// wrong with l. It is called once.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	failed := make(chan error, 1)
	go func() {
		if err := s.http.Serve(s.rest); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
			s.stop()
		}
	}()
	pause := leastPause
	for {
		nc, err := l.Accept()
		switch {
		case s.closing.Load():
			if err == nil {
				_ = nc.Close()
			}
			select {
			case err := <-failed:
				return err
			default:
				return http.ErrServerClosed
			}
		case err == nil:
			pause = leastPause
			s.begin(nc)
			continue
		}
		var passing net.Error
		if !errors.As(err, &passing) || !passing.Temporary() { //nolint:staticcheck // as net/http's server does: too many files
			_ = s.Close()
			return err //nolint:wrapcheck // as http.Server does
		}
		s.logf("lane: accept: %v; again in %v", err, pause)
		time.Sleep(pause)
		pause = min(2*pause, mostPause)
	}
}

func (s *Server) begin(nc net.Conn) {
	c := &conn{server: s, Conn: nc}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	go c.run()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// stop ends accepting, and the connections on which nothing is under way.
func (s *Server) stop() {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.listeners = nil
}

// closeIdle closes idle connections and returns how many others there are.
func (s *Server) closeIdle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := 0
	for c := range s.conns {
		if c.state.CompareAndSwap(stateIdle, stateClosed) {
			_ = c.Close()
			continue
		}
		busy++
	}
	return busy
}

const shutdownPoll = 10 * time.Millisecond

// Shutdown stops accepting, closes idle connections, and waits until the requests under way are answered, or ctx
// is done, whose error it then returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	ended := make(chan error, 1)
	go func() { ended <- s.http.Shutdown(ctx) }()
	tick := time.NewTicker(shutdownPoll)
	defer tick.Stop()
	for s.closeIdle() > 0 {
		select {
		case <-ctx.Done():
			if err := <-ended; err != nil {
				return err
			}
			return ctx.Err() //nolint:wrapcheck // as http.Server does
		case <-tick.C:
		}
	}
	return <-ended
}

// Close ends everything at once.
func (s *Server) Close() error {
	s.stop()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	return s.http.Close() //nolint:wrapcheck // as http.Server does
}

func (s *Server) logf(format string, args ...any) {
	if s.http.ErrorLog != nil {
		s.http.ErrorLog.Printf(format, args...)
	}
}

// headerTimeout is until when a connection's first request must have begun.
func (s *Server) headerTimeout() time.Duration { return s.http.ReadHeaderTimeout }

func (s *Server) idleTimeout() time.Duration {
	if s.http.IdleTimeout != 0 {
		return s.http.IdleTimeout
	}
	return s.http.ReadTimeout
}

// queue is a listener of connections that were accepted already.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn), done: make(chan struct{})} }

// push gives a connection to who accepts, or closes it when nobody does any more.
func (q *queue) push(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// replayed is a connection of which some was read, which it gives again.
type replayed struct {
	net.Conn
	head []byte
}

// Read implements io.Reader.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(b, r.head)
		if r.head = r.head[n:]; len(r.head) == 0 {
			r.head = nil
		}
		return n, nil
	}
	return r.Conn.Read(b) //nolint:wrapcheck // a reader's own contract
}

// CloseWrite says that nothing more will be written.
func (r *replayed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // the connection's own
	}
	return errors.ErrUnsupported
}

// replayedTLS is one over TLS, from which net/http takes a request's TLS state.
type replayedTLS struct {
	replayed
	secure *tls.Conn
}

// ConnectionState is looked for by net/http.
func (r *replayedTLS) ConnectionState() tls.ConnectionState { return r.secure.ConnectionState() }
