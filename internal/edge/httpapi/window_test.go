package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// once is a listener of one connection.
type once struct {
	conn chan net.Conn
	addr net.Addr
	done chan struct{}
	end  sync.Once
}

func (o *once) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.done:
		return nil, net.ErrClosed
	}
}
func (o *once) Addr() net.Addr { return o.addr }
func (o *once) Close() error   { o.end.Do(func() { close(o.done) }); return nil }

// http2Caller is one end of a connection in memory.
type http2Caller struct {
	*http2.Framer
	writes chan func() // done one after the other: a pipe takes nothing before it is read
}

// askOverHTTP2 asks for / on a connection to a server of h, with a window of so many bytes for the answer.
func askOverHTTP2(t *testing.T, h http.Handler, window uint32) http2Caller {
	t.Helper()
	ours, theirs := net.Pipe()
	l := &once{conn: make(chan net.Conn, 1), addr: ours.LocalAddr(), done: make(chan struct{})}
	l.conn <- theirs
	s := NewServer(h, nil, slog.New(slog.DiscardHandler))
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // until Close
	c := http2Caller{http2.NewFramer(ours, ours), make(chan func(), 8)}
	serving.Go(func() {
		for write := range c.writes {
			write()
		}
	})
	var head bytes.Buffer
	e := hpack.NewEncoder(&head)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
		if err := e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	c.writes <- func() {
		_, _ = io.WriteString(ours, http2.ClientPreface)
		_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true})
	}
	t.Cleanup(func() {
		_, _ = ours.Close(), s.Close()
		close(c.writes)
		serving.Wait()
	})
	return c
}

// TestWhoShutsItsWindowIsLeft: over HTTP/2 a caller takes nothing although its connection is well, be the answer long or
// short, all at once or a stream.
func TestWhoShutsItsWindowIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		window uint32
		answer func(w http.ResponseWriter) error
	}{
		"long":  {10, func(w http.ResponseWriter) error { _, err := w.Write(make([]byte, 1<<20)); return err }},
		"short": {0, func(w http.ResponseWriter) error { _, err := io.WriteString(w, "hello"); return err }},
		"a stream": {10, func(w http.ResponseWriter) error {
			for {
				time.Sleep(time.Second)
				_, err := io.WriteString(w, "hello")
				if err == nil {
					err = http.NewResponseController(w).Flush()
				}
				if err != nil {
					return err
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				caller := askOverHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ended <- c.answer(w) }), c.window)
				began := time.Now()
				reset := readUntilReset(t, caller)
				if took := time.Since(began); reset == nil || took > stuckAfter+5*time.Second || took < stuckAfter*3/4 {
					t.Errorf("after %v: %v", took, reset)
				}
				if err := <-ended; (err == nil) != (name == "short") {
					t.Errorf("the handler ended with %v", err)
				}
			})
		})
	}
}

// TestQuietStreamsGoOn: a stream that has nothing to say for long is no caller who takes nothing.
func TestQuietStreamsGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller := askOverHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "hello")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * stuckAfter)
			}
		}), 1<<16)
		if reset := readUntilReset(t, caller); reset != nil {
			t.Errorf("it was reset: %v", reset)
		}
	})
}

// TestQuietStreamsGoOnOverHTTP1: nor is it one over HTTP/1.1, and neither is who sends the next request on the connection.
func TestQuietStreamsGoOnOverHTTP1(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := &once{conn: make(chan net.Conn, 1), addr: ours.LocalAddr(), done: make(chan struct{})}
		l.conn <- theirs
		s := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "hello")
				_ = http.NewResponseController(w).Flush()
				if r.URL.Path == "/slow" {
					time.Sleep(10 * stuckAfter)
				}
			}
		}), nil, slog.New(slog.DiscardHandler))
		var serving sync.WaitGroup
		serving.Go(func() { _ = s.Serve(l) }) // until Close
		in := bufio.NewReader(ours)
		for _, path := range []string{"/", "/slow", "/"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Write(ours); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(in, r)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hellohellohello" {
				t.Errorf("%s: %q, %v", path, body, err)
			}
			_ = res.Body.Close()
			time.Sleep(stuckAfter)
		}
		_, _ = ours.Close(), s.Close()
		serving.Wait()
	})
}

// TestSlowStacksAreWaitedFor: between two parts of an answer of known length it is the stack that is slow.
func TestSlowStacksAreWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		caller := askOverHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			_, _ = w.Write(make([]byte, 5000))
			time.Sleep(10 * stuckAfter)
			_, _ = w.Write(make([]byte, 5000))
		}), 1<<16)
		if reset := readUntilReset(t, caller); reset != nil {
			t.Errorf("it was reset: %v", reset)
		}
	})
}

// readUntilReset reads frames until the stream is reset, or nil once it has ended. It answers pings.
func readUntilReset(t *testing.T, c http2Caller) *http2.RSTStreamFrame {
	t.Helper()
	for began := time.Now(); ; {
		frame, err := c.ReadFrame()
		if time.Since(began) > time.Hour {
			t.Fatal("nothing but pings for an hour")
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			t.Fatal("the connection ended")
		}
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame:
			return frame
		case *http2.PingFrame:
			if !frame.IsAck() {
				data := frame.Data // the frame is used again
				c.writes <- func() { _ = c.WritePing(true, data) }
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return nil
			}
		}
	}
}

type panics struct{ http.ResponseWriter }

func (panics) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// TestStepsThatPanic: a step that panics leaves no timer behind, which would touch an answer that is over.
func TestStepsThatPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		touched := false
		w := &takenWriter{ResponseWriter: panics{httptest.NewRecorder()}, control: http.NewResponseController(deadlineOf{panics{httptest.NewRecorder()}, &touched})}
		func() {
			defer func() { _ = recover() }() // as net/http does
			_, _ = w.Write([]byte("x"))
			t.Error("no panic")
		}()
		time.Sleep(2 * stuckAfter)
		synctest.Wait()
		if touched {
			t.Error("the answer was touched after it was over")
		}
	})
}

// deadlineOf notes that a deadline was set.
type deadlineOf struct {
	http.ResponseWriter
	touched *bool
}

func (d deadlineOf) SetWriteDeadline(time.Time) error { *d.touched = true; return nil }
