package wire

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// canned answers each request with the same bytes, and allocates nothing for it.
func canned(b *testing.B, answer []byte) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				request, n := make([]byte, 4<<10), 0
				for {
					got, err := c.Read(request[n:])
					if err != nil {
						return
					}
					if n += got; bytes.HasSuffix(request[:n], []byte("\r\n\r\n")) {
						n = 0
						if _, err := c.Write(answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkClients has this transport and a tuned one of net/http's send the same requests to the same stack, with some
// under way at once. What the stack costs is in the figures of both.
func BenchmarkClients(b *testing.B) {
	addr := canned(b, []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer-Timing: app;dur=1\r\nContent-Length: 800\r\n\r\n"+strings.Repeat("x", 800)))
	ours, err := New(Config{Dialer: Dialer{Dial: new(net.Dialer).DialContext}, MaxIdle: 512, IdleTimeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	theirs := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute, DisableCompression: true}
	header := http.Header{"User-Agent": {"bench"}, "Accept": {"*/*"}, "X-Request-Id": {"0123456789abcdef"}, "Meridian-Edge-Region": {"eu-west-1"}}
	for name, client := range map[string]http.RoundTripper{"wire": ours, "net-http": theirs} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32 / runtime.GOMAXPROCS(0))
			before := processorTime(b)
			b.RunParallel(func(pb *testing.PB) {
				text := make([]byte, 1024)
				for pb.Next() {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+addr+"/product?id=1", nil)
					if err != nil {
						b.Error(err)
						return
					}
					req.Header = header
					res, err := client.RoundTrip(req)
					if err != nil {
						b.Error(err)
						return
					}
					for err == nil {
						_, err = res.Body.Read(text)
					}
					if err != io.EOF { //nolint:errorlint // a reader's own contract
						b.Error(err)
					}
					_ = res.Body.Close()
				}
			})
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
