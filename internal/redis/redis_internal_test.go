package redis

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// grudging is a Redis that is there and refuses every command with an error that drivers like to retry.
func grudging(t *testing.T) (address string, commands *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	commands = &atomic.Int32{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go refuse(conn, commands)
		}
	}()
	return listener.Addr().String(), commands
}

func refuse(conn net.Conn, commands *atomic.Int32) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		answer := "-LOADING Redis is loading the dataset in memory\r\n"
		if strings.EqualFold(words[0], "hello") {
			answer = "-ERR unknown command\r\n"
		} else {
			commands.Add(1)
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}

// readCommand reads an array of bulk strings.
func readCommand(in *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	words := make([]string, max(n, 0))
	for i := range words {
		if _, err = number(); err != nil {
			return nil, err
		}
		if words[i], err = in.ReadString('\n'); err != nil {
			return nil, err
		}
		words[i] = strings.TrimSpace(words[i])
	}
	return words, err
}

// What a caller does without Redis is the retry: a command that Redis refuses is not sent again, which would spend the
// time-out.
func TestCommandsAreNotRetried(t *testing.T) {
	t.Parallel()
	address, commands := grudging(t)
	r, err := Open(Config{Address: address}, Options{Timeout: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for name, tc := range map[string]struct {
		send func(context.Context, Commands) error
		sent int32
	}{
		"a command": {func(ctx context.Context, on Commands) error { return on.Get(ctx, "a").Err() }, 1},
		"a pipeline of two": {func(ctx context.Context, on Commands) error {
			_, err := on.Pipelined(ctx, func(p Pipeliner) error { p.Get(ctx, "a"); p.PTTL(ctx, "a"); return nil })
			return err
		}, 2},
	} {
		commands.Store(0)
		if err := r.Do(t.Context(), tc.send); err == nil {
			t.Errorf("%s that was refused succeeded", name)
		}
		if n := commands.Load(); n != tc.sent {
			t.Errorf("%s was sent as %d, want %d", name, n, tc.sent)
		}
	}
}

// What a caller may wait for is Options.Timeout, whatever the driver's own defaults are.
func TestClientOptions(t *testing.T) {
	t.Parallel()
	o := clientOptions("127.0.0.1:1", withDefaults(Options{}))
	if o.MaxRetries != -1 || o.DialerRetries != 1 || !o.ContextTimeoutEnabled {
		t.Errorf("retries %d, of a dial %d, context's deadline kept: %t", o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled)
	}
	for name, d := range map[string]time.Duration{"dial": o.DialTimeout, "read": o.ReadTimeout, "write": o.WriteTimeout, "pool": o.PoolTimeout} {
		if d <= 0 || d > 50*time.Millisecond {
			t.Errorf("the %s time-out is %s", name, d)
		}
	}
}
