package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/sim/gateway"
)

const addr = "127.102.0.3:26257"

// server answers each line with the caller's host and the line.
func server(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.102.0.4:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if lines.Text() == "bye" {
						break
					}
					_, _ = fmt.Fprintf(conn, "%s %s\n", host, lines.Text())
				}
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestForwardsFromItsOwnHostUntilItEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- gateway.Run(ctx, addr, server(t)) }()
	conn := dial(t)
	if got := say(t, conn, "hello"); got != "127.102.0.3 hello" {
		t.Errorf("answer = %q", got)
	}
	if got := say(t, conn, strings.Repeat("x", 60_000)); len(got) != 60_000+len("127.102.0.3 ") {
		t.Errorf("a long line came back with %d bytes", len(got))
	}

	leaving := dial(t)
	if got := say(t, leaving, "bye"); got != "" {
		t.Errorf("after the server hung up: %q", got)
	}

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if got := say(t, conn, "still there?"); got != "" {
		t.Errorf("after its end it answers %q", got)
	}
}

func dial(t *testing.T) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// say returns the answer to a line, or nothing when the connection ends.
func say(t *testing.T, conn net.Conn, line string) string {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return ""
	}
	answer, _ := bufio.NewReaderSize(conn, 1<<20).ReadString('\n')
	return strings.TrimSuffix(answer, "\n")
}

func TestRunReportsAnAddressInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.102.0.5:26257")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := gateway.Run(t.Context(), "127.102.0.5:26257", "127.102.0.4:1"); err == nil {
		t.Error("no error")
	}
}
