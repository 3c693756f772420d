// Package brake gives a stack a known capacity: a proxy before it that serves so many requests at a time, each for
// as long. What finds no room waits its turn, as in a server that is too slow. Health checks pass at once, and are
// told what part of the capacity is in use, as by a stack that has no more.
package brake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/discovery"
)

// Config says how much a brake lets through.
type Config struct {
	Concurrency int           // requests at a time; at least 1
	Service     time.Duration // that each takes at least
}

// Brake is a proxy with a known capacity. It is safe for concurrent use.
type Brake struct {
	cfg    Config
	slots  chan struct{}
	under  atomic.Int64 // requests that are served or wait
	proxy  *httputil.ReverseProxy
	server *http.Server
	addr   string
}

// Open opens a brake before a stack (host:port), on a loopback address of its own.
func Open(ctx context.Context, to string, cfg Config) (*Brake, error) {
	if cfg.Concurrency < 1 || cfg.Service <= 0 {
		return nil, errors.New("brake: it takes room for a request and a time that it takes")
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("brake: %w", err)
	}
	b := &Brake{cfg: cfg, slots: make(chan struct{}, cfg.Concurrency), addr: l.Addr().String()}
	b.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: to})
			r.Out.Host = r.In.Host
		},
		Transport:      &http.Transport{MaxIdleConnsPerHost: cfg.Concurrency + 4, DisableCompression: true},
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // callers see for themselves
		FlushInterval:  -1,
		ModifyResponse: b.putLoad,
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	b.server = &http.Server{Handler: b, Protocols: protocols, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = b.server.Serve(l) }() // it ends when Close closes it
	return b, nil
}

// putLoad puts the load on the answer to a health check, if it is more than the stack's own.
func (b *Brake) putLoad(res *http.Response) error {
	if res.Request.URL.Path != discovery.ReadyPath || res.StatusCode != http.StatusOK {
		return nil
	}
	load := float64(b.under.Load()) / float64(b.cfg.Concurrency)
	if own, err := strconv.ParseFloat(res.Header.Get(discovery.LoadHeader), 64); err != nil || own < load {
		res.Header.Set(discovery.LoadHeader, strconv.FormatFloat(load, 'f', 3, 64))
	}
	return nil
}

// Addr is where the brake listens, host:port.
func (b *Brake) Addr() string { return b.addr }

// Close cuts every connection and stops listening.
func (b *Brake) Close() {
	if b.server != nil {
		_ = b.server.Close()
	}
}

// ServeHTTP implements http.Handler.
func (b *Brake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/meridian.") {
		b.proxy.ServeHTTP(w, r)
		return
	}
	b.under.Add(1)
	defer b.under.Add(-1)
	select {
	case b.slots <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	defer func() { <-b.slots }()
	if clock.Sleep(r.Context(), b.cfg.Service) != nil {
		return // who gave up frees its room
	}
	b.proxy.ServeHTTP(w, r)
}
