package geoip

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
)

// The parts of the MaxMind DB format that the tests write: a binary tree over IPv4 with 24-bit records, maps
// and short strings.

type writer struct {
	nodes [][2]int // a positive value is a node, 0 nothing, a negative value ^offset into data
	data  bytes.Buffer
}

func str(s string) []byte { return append([]byte{byte(2<<5 | len(s))}, s...) }

func uint16Field(v uint16) []byte { return []byte{5<<5 | 2, byte(v >> 8), byte(v)} }

func uint32Field(v uint32) []byte {
	return []byte{6<<5 | 4, byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

func object(pairs ...[]byte) []byte {
	return append([]byte{byte(7<<5 | len(pairs)/2)}, bytes.Join(pairs, nil)...)
}

func (w *writer) add(network string, record []byte) {
	offset := w.data.Len()
	w.data.Write(record)
	p := netip.MustParsePrefix(network)
	bits, node := p.Addr().As4(), 0
	if len(w.nodes) == 0 {
		w.nodes = append(w.nodes, [2]int{})
	}
	for i := range p.Bits() {
		bit := bits[i/8] >> (7 - i%8) & 1
		if i == p.Bits()-1 {
			w.nodes[node][bit] = ^offset
			return
		}
		if w.nodes[node][bit] == 0 {
			w.nodes = append(w.nodes, [2]int{})
			w.nodes[node][bit] = len(w.nodes) - 1
		}
		node = w.nodes[node][bit]
	}
}

func (w *writer) bytes() []byte {
	var out bytes.Buffer
	for _, n := range w.nodes {
		for _, v := range n {
			switch {
			case v == 0:
				v = len(w.nodes)
			case v < 0:
				v = len(w.nodes) + 16 + ^v
			}
			out.Write([]byte{byte(v >> 16), byte(v >> 8), byte(v)})
		}
	}
	out.Write(make([]byte, 16))
	out.Write(w.data.Bytes())
	out.WriteString("\xab\xcd\xefMaxMind.com")
	out.Write(object(
		str("node_count"), uint32Field(uint32(len(w.nodes))), str("record_size"), uint16Field(24), str("ip_version"), uint16Field(4),
		str("binary_format_major_version"), uint16Field(2), str("binary_format_minor_version"), uint16Field(0),
		str("database_type"), str("Test-Country"), str("build_epoch"), uint32Field(1_700_000_000),
	))
	return out.Bytes()
}

func database(country string) []byte {
	var w writer
	w.add("203.0.113.0/24", object(str("country_code"), str(country)))
	w.add("198.51.100.0/25", object(str("country"), object(str("iso_code"), str("BR"))))
	w.add("192.0.2.0/24", object(str("asn"), str("AS1")))
	return w.bytes()
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestCountry(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "country.mmdb")
	write(t, path, database("JP"))
	d, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"203.0.113.9": "JP", "198.51.100.1": "BR", "198.51.100.200": "", "192.0.2.1": "", "8.8.8.8": "", "2001:db8::1": "",
	} {
		if got, ok := d.Country(netip.MustParseAddr(addr)); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
	if got, ok := d.Country(netip.Addr{}); ok {
		t.Errorf("no address is in %q", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "country.mmdb")
	if _, err := Open(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	write(t, path, []byte("not a database"))
	if _, err := Open(path, nil); err == nil {
		t.Error("a file of another kind: no error")
	}
}

func TestWatchSwaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, addr := filepath.Join(t.TempDir(), "country.mmdb"), netip.MustParseAddr("203.0.113.9")
		write(t, path, database("JP"))
		d, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() {
			if err := d.Watch(ctx); err != nil {
				t.Errorf("watch: %v", err)
			}
		})
		defer func() { cancel(); watch.Wait() }()
		for _, step := range []struct {
			content []byte
			want    string
		}{{database("KOR")[:40], "JP"}, {database("KR"), "KR"}, {nil, "KR"}, {database("SGX"), "SGX"}} {
			if step.content != nil {
				write(t, path, step.content)
			} else if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(filewatch.Every)
			synctest.Wait()
			if got, _ := d.Country(addr); got != step.want {
				t.Errorf("got %q, want %q", got, step.want)
			}
		}
	})
}
