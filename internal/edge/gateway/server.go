package gateway

import (
	"crypto/tls"
	"log/slog"
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
	stuckAfter  = 30 * time.Second // an HTTP/2 connection that takes no byte is closed
)

// NewServer returns a server with the bounds of a port that the Internet reaches: HTTP/1.1 and HTTP/2, over TLS
// (by ALPN) when secure is given and in clear text when it is nil. What net/http itself has to say goes to log
// at debug.
func NewServer(h http.Handler, secure *tls.Config, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(secure != nil)
	protocols.SetUnencryptedHTTP2(secure == nil)
	return &http.Server{
		Handler: h, TLSConfig: secure, Protocols: protocols,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: stuckAfter,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
