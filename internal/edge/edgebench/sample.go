package main

import (
	"context"
	"fmt"
	"os"
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

// tool puts load on a subject over so many connections, or as many streams of fewer.
type tool func(ctx context.Context, s subject, connections int, length time.Duration) (sample, error)

// measure has a tool put load on a subject, and adds what the subject's process used.
func measure(ctx context.Context, load tool, s subject, connections int, length, pause time.Duration) (sample, error) {
	time.Sleep(pause)
	before := processorTime(s.process.Process.Pid)
	got, err := load(ctx, s, connections, length)
	if err == nil && got.errors > 0 {
		err = fmt.Errorf("%d of %d requests failed", got.errors, got.requests)
	}
	if err != nil {
		return sample{}, fmt.Errorf("load on %s: %w", s.name, err)
	}
	got.cpu = (processorTime(s.process.Process.Pid) - before) / time.Duration(got.requests)
	return got, nil
}

// seconds is a length as the tools take it: whole ones, at least one.
func seconds(length time.Duration) int { return max(1, int(length.Round(time.Second)/time.Second)) }

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
