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

// sample is one measurement.
type sample struct {
	requests, errors int
	took             time.Duration
	p50, p99, p999   time.Duration
	cpu              time.Duration // of the server for one request
}

func (s sample) rate() float64 { return float64(s.requests) / s.took.Seconds() }

// script has wrk send the token and print what the table needs on one line.
const script = `
local token = os.getenv("EDGEBENCH_TOKEN")
if token ~= nil and token ~= "" then wrk.headers["Authorization"] = "Bearer " .. token end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`

// wrk puts load on a subject: each connection sends its next request when the last is answered.
func (b *bench) wrk(ctx context.Context, s subject, connections int, length, pause time.Duration) (sample, error) {
	file := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return sample{}, fmt.Errorf("write wrk's script: %w", err)
	}
	time.Sleep(pause)
	seconds := max(1, int(length.Round(time.Second)/time.Second))
	c := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(min(2, connections)), "-c", strconv.Itoa(connections),
		"-d", strconv.Itoa(seconds)+"s", "-s", file, "https://"+s.addr+path)
	c.Env = append(os.Environ(), "EDGEBENCH_TOKEN="+s.token)
	before := processorTime(s.process.Process.Pid)
	out, err := c.CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("wrk on %s: %w: %s", s.name, err, out)
	}
	used := processorTime(s.process.Process.Pid) - before
	got, err := parse(string(out))
	if err == nil {
		got.cpu = used / time.Duration(got.requests)
	}
	if err == nil && got.errors > 0 {
		err = fmt.Errorf("%d of %d requests failed", got.errors, got.requests)
	}
	if err != nil {
		return sample{}, fmt.Errorf("wrk on %s: %w", s.name, err)
	}
	return got, nil
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

// tick is the unit of processor time in /proc on Linux.
const tick = time.Second / 100

// processorTime returns what a process and its children that still run have used; 0 if it is gone.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // behind the name
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	total := time.Duration(user+system) * tick
	for _, child := range children(pid) {
		total += processorTime(child)
	}
	return total
}

func children(pid int) (out []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // none if it is gone
	for child := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(child); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// memory returns the bytes that a process and its children hold, shared pages in parts; 0 if it is gone.
func memory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	total := pss(string(text))
	for _, child := range children(pid) {
		total += memory(child)
	}
	return total
}

func pss(rollup string) int64 {
	for line := range strings.Lines(rollup) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "Pss:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
