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

// protocol is one that is compared over.
type protocol struct {
	name    string
	flags   []string // h2load's
	streams int      // requests under way on one connection, over HTTP/2 as a browser's page might have
}

var protocols = []protocol{{"HTTP/1.1", []string{"--h1"}, 1}, {"HTTP/2", nil, 8}}

// load has h2load put so many requests at a time on a subject: each is followed by the next when it is answered.
func (b *bench) load(ctx context.Context, p protocol, s subject, requests int, length time.Duration) (sample, error) {
	each := min(p.streams, requests)
	file := filepath.Join(b.dir, "h2load.log")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) { // it appends
		return sample{}, fmt.Errorf("forget the last log: %w", err)
	}
	seconds := max(1, int(length.Round(time.Second)/time.Second)) // as h2load takes it
	args := append([]string{"-t", "1", "-c", strconv.Itoa(requests / each), "-m", strconv.Itoa(each), "-D", strconv.Itoa(seconds), "--log-file", file}, p.flags...)
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
	return readLog(log, time.Duration(seconds)*time.Second)
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
