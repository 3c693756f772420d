package edge

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge/httpapi"
	"github.com/meridian-commerce/meridian/regions"
)

// listenBench listens until the benchmark ends, and has each connection answered.
func listenBench(b *testing.B, serve func(net.Conn)) string {
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
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// canned answers each request with the same bytes, and allocates nothing for it.
func canned(answer []byte) func(net.Conn) {
	return func(c net.Conn) {
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
	}
}

// benchPort is a port with one stack behind it, through the front and the edge, in clear text: what both ends do
// beside that is next to nothing.
func benchPort(b *testing.B, body string) string {
	b.Helper()
	stackAddr := listenBench(b, canned([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer-Timing: app;dur=1\r\nContent-Length: 800\r\n\r\n"+body)))
	f := &fleet{}
	f.publish()
	e, err := newEdge(Config{Regions: regions.Default(), Region: eu, HedgePercent: 5}, Deps{Tokens: tokens{}}, f)
	if err != nil {
		b.Fatal(err)
	}
	up, down := context.WithCancel(b.Context())
	b.Cleanup(down)
	f.stacks = []*stack{{Endpoint: discovery.NewEndpoint("eu/0", stackAddr, eu, "all", 0), up: up}}
	f.stacks[0].Answered()
	f.publish()
	handler, err := httpapi.New(httpapi.Config{Public: e.Public}, e.Handler())
	if err != nil {
		b.Fatal(err)
	}
	return serveEdge(b, f.listen(b, "127.0.0.1:0"), handler)
}

// BenchmarkPort is callers' reads of a product. `make pgo` takes its profile.
func BenchmarkPort(b *testing.B) {
	body := strings.Repeat("x", 800)
	const target = product + "?encoding=json&message=%7B%7D"
	b.Run("HTTP1", func(b *testing.B) {
		c, err := net.Dial("tcp", benchPort(b, body))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		request := []byte("GET " + target + " HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
		answer, end := make([]byte, 8<<10), []byte(body)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Write(request); err != nil {
				b.Fatal(err)
			}
			for n := 0; !bytes.HasSuffix(answer[:n], end); {
				got, err := c.Read(answer[n:])
				if err != nil {
					b.Fatal(err)
				}
				n += got
			}
		}
	})
	b.Run("HTTP2", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{Protocols: clearH2()}}
		url := "http://" + benchPort(b, body) + target
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				res, err := client.Get(url)
				if err != nil {
					b.Error(err)
					return
				}
				if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(len(body)) {
					b.Errorf("%d bytes, %v", n, err)
				}
				_ = res.Body.Close()
			}
		})
	})
}
