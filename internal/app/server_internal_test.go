package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// Who has connected when a server begins to end is answered, however late the rest of the request comes.
func TestShutdownAnswersWhoHasConnected(t *testing.T) {
	t.Parallel()
	s, err := listen("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answered") }))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	addr := s.listener.Addr().String()
	begin := func(text string) (net.Conn, *bufio.Reader) {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
			_, err = io.WriteString(c, text)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	answered := func(what string, r *bufio.Reader) {
		t.Helper()
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		body, err := io.ReadAll(res.Body)
		if _ = res.Body.Close(); err != nil || string(body) != "answered" {
			t.Errorf("%s: %q, %v", what, body, err)
		}
	}
	const first, rest = "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n"
	late, fromLate := begin(first)
	again, fromAgain := begin(first + rest)
	answered("the first request of a connection", fromAgain)
	if _, err := io.WriteString(again, first); err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)
	go func() { ended <- s.shutdown(t.Context()) }()
	for { // until nothing more is accepted
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = c.Close()
		}
	}
	if _, err := io.WriteString(late, rest); err != nil {
		t.Fatal(err)
	}
	answered("a request that was on its way", fromLate)
	if err := errors.Join(<-ended, <-served); err != nil {
		t.Error(err)
	}
	// One that was kept alive is closed, as it may be at any time; its caller knows to come again.
	if _, err := fromAgain.ReadByte(); err == nil {
		t.Error("a connection outlived its server")
	}
}

// A request that does not end is cut off when the time is over.
func TestShutdownCutsOff(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	s, err := listen("127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
	}))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
	if err == nil {
		defer func() { _ = c.Close() }()
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	<-running
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := errors.Join(s.shutdown(ctx), <-served); err != nil {
		t.Error(err)
	}
	if _, err := bufio.NewReader(c).ReadByte(); err == nil {
		t.Error("there is an answer")
	}
}
