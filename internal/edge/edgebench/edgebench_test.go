package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadLog(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, "%d 200 %d\n", i, 1000-i)
	}
	got, err := readLog(strings.NewReader(log.String()+"1000 503 1\n"), time.Second)
	want := sample{requests: 1001, errors: 1, took: time.Second, p50: 500 * time.Microsecond, p99: 990 * time.Microsecond, p999: 999 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"", "1 200", "1 200 x"} {
		if _, err := readLog(strings.NewReader(text), time.Second); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	at := func(rate int, p50 time.Duration) sample {
		return sample{requests: rate, took: time.Second, p50: p50, p99: 2 * p50, p999: 3 * p50, cpu: 7 * time.Microsecond}
	}
	table := render([]section{{"HTTP/9", []result{
		{name: "direct", quiet: []sample{at(1, 100*time.Microsecond)}, loaded: []sample{at(9, time.Millisecond)}, memory: 1 << 20},
		{name: "edge", quiet: []sample{at(1, time.Second), at(1, 220*time.Microsecond), at(1, 210*time.Microsecond)},
			loaded: []sample{at(5, 2*time.Millisecond), at(7, time.Millisecond), at(6, time.Millisecond)}, memory: 3 << 20},
	}}}, "a machine")
	for _, want := range []string{
		"| HTTP/9 | requests/s |",
		"| direct | 9 | 1.00 ms | 2.00 ms | 3.00 ms | 100 µs | – | 7 µs | 1 MiB |\n",
		"| edge | 6 | 1.00 ms | 2.00 ms | 3.00 ms | 220 µs | 120 µs | 7 µs | 3 MiB |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(file, table); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "before\n"+table+"after\n" {
		t.Errorf("the document is %q", text)
	}
	if err := os.WriteFile(file, []byte("no markers"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceTable(file, table); err == nil {
		t.Error("no markers: no error")
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	if got := memory(os.Getpid()); got < 1<<20 {
		t.Errorf("this process holds %d bytes", got)
	}
	if got := memory(-1); got != 0 {
		t.Errorf("no process holds %d bytes", got)
	}
}

// TestConfigs: every word of a configuration is filled in.
func TestConfigs(t *testing.T) {
	t.Parallel()
	b, err := newBenchIn(t)
	if err != nil {
		t.Skip(err)
	}
	if err := b.writeConfigs(); err != nil {
		t.Fatal(err)
	}
	files, err := configs.ReadDir("configs")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := file.Name()
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"{dir}", "{body}", "{upstream}", "{direct}", "{nginx}", "{haproxy}", "{caddy}", "{edge}", "{admin}", "{consul}", "{bare}"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s keeps %s", name, word)
			}
		}
	}
}

func newBenchIn(t *testing.T) (*bench, error) {
	t.Helper()
	return newBench(t.Context(), t.TempDir(), os.Args[0])
}
