package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// sample is one measurement.
type sample struct {
	requests, errors int
	took             time.Duration
	p50, p99, p999   time.Duration
	cpu              time.Duration // of the server for one request
}

func (s sample) rate() float64 { return float64(s.requests) / s.took.Seconds() }

// measure puts load on a subject, and adds what the subject's process used.
func (b *bench) measure(ctx context.Context, p protocol, s subject, requests int, length, pause time.Duration) (sample, error) {
	time.Sleep(pause)
	before := processorTime(s.process.Process.Pid)
	got, err := b.load(ctx, p, s, requests, length)
	if err == nil && got.errors > 0 {
		err = fmt.Errorf("%d of %d requests failed", got.errors, got.requests)
	}
	if err != nil {
		return sample{}, fmt.Errorf("load on %s: %w", s.name, err)
	}
	got.cpu = (processorTime(s.process.Process.Pid) - before) / time.Duration(got.requests)
	return got, nil
}

// processorTime returns what a process and its children that still run have used; 0 if it is gone.
func processorTime(pid int) time.Duration {
	var total time.Duration
	for _, p := range family(pid) {
		if stat, err := p.Stat(); err == nil {
			total += time.Duration(stat.CPUTime() * float64(time.Second))
		}
	}
	return total
}

// memory returns the bytes that a process and its children hold, shared pages in parts; 0 if it is gone.
func memory(pid int) int64 {
	var total uint64
	for _, p := range family(pid) {
		if held, err := p.ProcSMapsRollup(); err == nil {
			total += held.Pss
		}
	}
	return int64(total)
}

// family returns a process and those that it started and that still run.
func family(pid int) (out procfs.Procs) {
	all, _ := procfs.AllProcs() // none where there is no /proc
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && (p.PID == pid || stat.PPID == pid) {
			out = append(out, p)
		}
	}
	return out
}
