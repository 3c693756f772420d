package httpapi

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout  = 5 * time.Second // for the TLS handshake and a request's header, however slowly it drips
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10 // of the request line and the header together
	maxStreams     = 250      // requests at once on one HTTP/2 connection

	pingAfter   = 30 * time.Second // of quiet on an HTTP/2 connection
	pingTimeout = 15 * time.Second
	stuckAfter  = 30 * time.Second // a connection that takes no byte is closed
	soonAfter   = 5 * time.Second  // most answers are over by then
)

// Server is an http.Server of a port that the Internet reaches.
type Server struct{ *http.Server }

// NewServer returns a server with the bounds of such a port: HTTP/1.1 and HTTP/2, over TLS (by ALPN) when secure is
// given and in clear text when it is nil. What net/http itself has to say goes to log at debug.
func NewServer(h http.Handler, secure *tls.Config, log *slog.Logger) *Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(secure != nil)
	protocols.SetUnencryptedHTTP2(secure == nil)
	if secure != nil {
		secure = secure.Clone()
		// Answers are short: growing the records of a connection step by step only makes several of one answer.
		secure.DynamicRecordSizingDisabled = true
	}
	return &Server{&http.Server{
		Handler: untilTaken(h), TLSConfig: secure, Protocols: protocols,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		WriteTimeout: soonAfter + stuckAfter, // until untilTaken knows that an answer takes longer
		HTTP2: &http.HTTP2Config{
			// No WriteByteTimeout: Serve's listener bounds writes for both protocols, without setting a deadline at each.
			MaxConcurrentStreams: maxStreams, SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve serves the connections of l until Shutdown or Close, as http.Server's does. Those that take nothing for
// half a minute end.
func (s *Server) Serve(l net.Listener) error {
	l = Patient(l)
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "")
	}
	return s.Server.Serve(l)
}
