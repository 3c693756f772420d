// Package sqlgateway is a region's way into the database: a TCP forwarder that runs as a process of its own, so
// that losing the region loses its connections as the loss of a gateway node would.
package sqlgateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

const dialTimeout = 2 * time.Second

// Run listens at addr and forwards every connection to the server at to, from addr's own host, by which the
// server tells one gateway's sessions from another's. It returns when ctx ends, with every connection closed. Of so many
// commits it loses the answer of one, and with it the connection: the server has committed and nobody was told; 0: of none.
func Run(ctx context.Context, addr, to string, lose int) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("sqlgateway: address: %w", err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("sqlgateway: %w", err)
	}
	lost := &loser{every: int64(lose)}
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
		sessions.Go(func() { lost.forward(ctx, dialer, client, to) })
	}
}

// forward copies both ways until either side ends; a session of the database has no use for half of it.
// Both ends are TCP, so the kernel copies by splice, and Go has TCP_NODELAY set.
func (l *loser) forward(ctx context.Context, dialer *net.Dialer, client net.Conn, to string) {
	defer func() { _ = client.Close() }()
	server, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	answered := make(chan struct{})
	var lost atomic.Bool
	go func() {
		defer close(answered)
		if l.every > 0 {
			l.answer(client, server, &lost)
		} else {
			_, _ = io.Copy(client, server)
		}
		_ = client.Close()
	}()
	if l.every > 0 {
		l.ask(server, client, &lost)
	} else {
		_, _ = io.Copy(server, client)
	}
	_ = server.Close()
	<-answered
}

// commit is how a client asks for one: PostgreSQL's message Query. It comes alone, as its sender waits for the answer.
var commit = []byte("Q\x00\x00\x00\x0bcommit\x00")

// loser loses answers.
type loser struct {
	every   int64
	commits atomic.Int64
}

// ask carries what a client asks for, and notes if the answer is to be lost.
func (l *loser) ask(server io.Writer, client io.Reader, lost *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := client.Read(buffer)
		if bytes.Equal(buffer[:n], commit) && l.commits.Add(1)%l.every == 0 {
			lost.Store(true)
		}
		if _, failed := server.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

// answer carries what the server answers, until an answer is to be lost.
func (l *loser) answer(client io.Writer, server io.Reader, lost *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := server.Read(buffer)
		if n > 0 && lost.Load() {
			return
		}
		if _, failed := client.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}
