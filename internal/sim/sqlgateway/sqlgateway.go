// Package sqlgateway is a region's way into the database: a TCP forwarder that runs as a process of its own, so
// that losing the region loses its connections as the loss of a gateway node would.
package sqlgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

const dialTimeout = 2 * time.Second

// Run listens at addr and forwards every connection to the server at to, from addr's own host, by which the
// server tells one gateway's sessions from another's. It returns when ctx ends, with every connection closed.
func Run(ctx context.Context, addr, to string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("sqlgateway: address: %w", err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("sqlgateway: %w", err)
	}
	dialer := &net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		client, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("sqlgateway: %w", err)
		case err != nil: // out of descriptors, or the client is gone already
			_ = clock.Sleep(ctx, 10*time.Millisecond) // it ends early if ctx does, which the next turn finds
			continue
		}
		sessions.Go(func() { forward(ctx, dialer, client, to) })
	}
}

// forward copies both ways until either side ends; a session of the database has no use for half of it.
// Both ends are TCP, so the kernel copies by splice, and Go has TCP_NODELAY set.
func forward(ctx context.Context, dialer *net.Dialer, client net.Conn, to string) {
	defer func() { _ = client.Close() }()
	server, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	_, _ = io.Copy(server, client)
	_ = server.Close()
	<-answered
}
