package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// wrk puts load on a subject over HTTP/1.1: each connection sends its next request when the last is answered.
func (b *bench) wrk(ctx context.Context, s subject, connections int, length time.Duration) (sample, error) {
	c := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(min(2, connections)), "-c", strconv.Itoa(connections),
		"-d", strconv.Itoa(seconds(length))+"s", "-s", filepath.Join(b.dir, "wrk.lua"), "https://"+s.addr+path)
	c.Env = append(os.Environ(), "EDGEBENCH_TOKEN="+s.token)
	out, err := c.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, out)
	}
	return parse(string(out))
}

// parse reads the script's line.
func parse(out string) (sample, error) {
	for line := range strings.Lines(out) {
		rest, ok := strings.CutPrefix(line, "RESULT ")
		if !ok {
			continue
		}
		var n [6]int
		if _, err := fmt.Sscan(rest, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]); err != nil {
			return sample{}, fmt.Errorf("read %q: %w", rest, err)
		}
		us := func(i int) time.Duration { return time.Duration(n[i]) * time.Microsecond }
		if n[0] == 0 || n[1] == 0 {
			return sample{}, errors.New("no request was answered")
		}
		return sample{requests: n[0], took: us(1), errors: n[2], p50: us(3), p99: us(4), p999: us(5)}, nil
	}
	return sample{}, fmt.Errorf("no result in %q", out)
}
