package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of one connection in memory.
type pipes struct{ net.Conn }

func (p pipes) Accept() (net.Conn, error) { return p.Conn, nil }
func (p pipes) Addr() net.Addr            { return p.LocalAddr() }

// patientPair returns both ends of a connection; the first is a patient listener's.
func patientPair(t *testing.T) (server, caller net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	server, err := Patient(pipes{a}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	return server, b
}

func TestWhoStopsReadingIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, caller := patientPair(t)
		began := time.Now()
		var reading sync.WaitGroup
		reading.Go(func() { _, _ = io.CopyN(io.Discard, caller, 3*writeStep+5) })
		n, err := server.Write(bytes.Repeat([]byte("x"), 10*writeStep))
		if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || n != 3*writeStep+5 || took > stuckAfter || took < stuckAfter*3/4 {
			t.Errorf("%d bytes were written in %v: %v", n, took, err)
		}
		reading.Wait()
	})
}

// A caller who takes a little at a time is waited for, however long it takes.
func TestSlowReadersAreServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, caller := patientPair(t)
		body := bytes.Repeat([]byte("0123456789"), 20*writeStep/10)
		var got bytes.Buffer
		var reading sync.WaitGroup
		reading.Go(func() {
			step := make([]byte, writeStep)
			for got.Len() < len(body) {
				n, err := io.ReadFull(caller, step)
				got.Write(step[:n])
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(stuckAfter / 2)
			}
		})
		began := time.Now()
		if n, err := server.Write(body); err != nil || n != len(body) {
			t.Errorf("%d of %d bytes: %v", n, len(body), err)
		}
		if took := time.Since(began); took < 5*stuckAfter {
			t.Errorf("it took only %v, which shows nothing", took)
		}
		reading.Wait()
		if !bytes.Equal(got.Bytes(), body) {
			t.Error("something else arrived")
		}
		time.Sleep(time.Hour) // idle
		reading.Go(func() { _, _ = io.CopyN(io.Discard, caller, 1) })
		if _, err := server.Write([]byte("x")); err != nil {
			t.Errorf("after an idle hour: %v", err)
		}
		reading.Wait()
	})
}

func TestDeadlinesOfOthersStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, set := range map[string]func(net.Conn, time.Time) error{"write": net.Conn.SetWriteDeadline, "both": net.Conn.SetDeadline} {
			server, _ := patientPair(t)
			began := time.Now()
			if err := set(server, began.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: after %v: %v", name, time.Since(began), err)
			}
			began = time.Now()
			if err := set(server, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != stuckAfter {
				t.Errorf("%s, lifted: after %v: %v", name, time.Since(began), err)
			}
		}
	})
}

func TestPatientServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for {
			if _, err := w.Write(block); err != nil {
				close(left)
				return
			}
		}
	})}
	go func() { _ = s.Serve(patient{l, 500 * time.Millisecond}) }()
	t.Cleanup(func() { _ = s.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil { // and reads nothing
		t.Fatal(err)
	}
	select {
	case <-left:
	case <-time.After(5 * time.Minute):
		t.Error("the handler still writes to somebody who does not read")
	}
}

func BenchmarkPatientWrite(b *testing.B) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain":   func(c net.Conn) net.Conn { return c },
		"patient": func(c net.Conn) net.Conn { return &patientConn{Conn: c, patience: stuckAfter} },
	} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() {
				c, err := l.Accept()
				if err == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			}()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			w, body := wrap(c), make([]byte, 1024)
			for b.Loop() {
				if _, err := w.Write(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
