package sqlgateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/sqlgateway"
)

// server answers each line with the caller's host and the line.
func server(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
	host := fmt.Sprintf("127.%d.0.3", nettest.Network(t))
	addr := net.JoinHostPort(host, "26257")
	done := make(chan error, 1)
	go func() { done <- sqlgateway.Run(ctx, addr, server(t), 0) }()
	conn := dial(t, addr)
	if got := say(t, conn, "hello"); got != host+" hello" {
		t.Errorf("answer = %q", got)
	}
	if got := say(t, conn, strings.Repeat("x", 60_000)); len(got) != 60_000+len(host+" ") {
		t.Errorf("a long line came back with %d bytes", len(got))
	}

	leaving := dial(t, addr)
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

// TestLosesTheAnswerOfACommit: the server has it, and the client is cut off.
func TestLosesTheAnswerOfACommit(t *testing.T) {
	t.Parallel()
	const commit = "Q\x00\x00\x00\x0bcommit\x00"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	arrived := make(chan string, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buffer := make([]byte, 100)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					arrived <- string(buffer[:n])
					_, _ = conn.Write([]byte("done\n"))
				}
			}()
		}
	}()
	addr := nettest.Address(t)
	go func() { _ = sqlgateway.Run(t.Context(), addr, l.Addr().String(), 2) }()
	for i, want := range []string{"done", "", "done"} {
		conn := dial(t, addr)
		if _, err := conn.Write([]byte(commit)); err != nil {
			t.Fatal(err)
		}
		answer, _ := bufio.NewReader(conn).ReadString('\n')
		if got := <-arrived; got != commit || strings.TrimSuffix(answer, "\n") != want {
			t.Errorf("commit %d: %q arrived, the answer is %q, want %q", i, got, answer, want)
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
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
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := sqlgateway.Run(t.Context(), l.Addr().String(), nettest.Address(t), 0); err == nil {
		t.Error("no error")
	}
}
