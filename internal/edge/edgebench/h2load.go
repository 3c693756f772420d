package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// streams is how many requests h2load has under way on one connection, as a browser's page might.
const streams = 8

// h2load puts load on a subject over HTTP/2: each stream sends its next request when the last is answered.
func (b *bench) h2load(ctx context.Context, s subject, connections int, length time.Duration) (sample, error) {
	each := min(streams, connections)
	file := filepath.Join(b.dir, "h2load.log")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) { // it appends
		return sample{}, fmt.Errorf("forget the last log: %w", err)
	}
	args := []string{"-t", "1", "-c", strconv.Itoa(connections / each), "-m", strconv.Itoa(each), "-D", strconv.Itoa(seconds(length)), "--log-file", file}
	if s.token != "" {
		args = append(args, "-H", "authorization: Bearer "+s.token)
	}
	out, err := exec.CommandContext(ctx, "h2load", append(args, "https://"+s.addr+path)...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, out)
	}
	log, err := os.Open(file)
	if err != nil {
		return sample{}, fmt.Errorf("read h2load's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	return readLog(log, time.Duration(seconds(length))*time.Second)
}

// readLog reads h2load's line for each request: when it began, its status, and how long it took, in microseconds.
func readLog(log io.Reader, took time.Duration) (sample, error) {
	got := sample{took: took}
	var latencies []time.Duration
	for lines := bufio.NewScanner(log); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return sample{}, fmt.Errorf("a line of h2load's log is %q", lines.Text())
		}
		us, err := strconv.Atoi(fields[2])
		if err != nil {
			return sample{}, fmt.Errorf("a line of h2load's log: %w", err)
		}
		got.requests++
		if fields[1] != "200" {
			got.errors++
		}
		latencies = append(latencies, time.Duration(us)*time.Microsecond)
	}
	if got.requests == 0 {
		return sample{}, errors.New("no request was answered")
	}
	slices.Sort(latencies)
	at := func(part float64) time.Duration { return latencies[int(part*float64(len(latencies)-1))] }
	got.p50 = at(0.50)
	got.p99 = at(0.99)
	got.p999 = at(0.999)
	return got, nil
}
