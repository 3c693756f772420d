package filewatch_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
)

// pair is two files that are good when they are equal.
type pair struct {
	a, b string

	mu    sync.Mutex
	reads int
	inUse string
}

func (p *pair) state() (reads int, inUse string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads, p.inUse
}

func (p *pair) read() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	a, err := os.ReadFile(p.a)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(p.b)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return errors.New("they do not belong together")
	}
	p.inUse = string(a)
	return nil
}

// journal collects a log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// take returns what was said since the last time.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func newPair(t *testing.T) *pair {
	t.Helper()
	dir := t.TempDir()
	p := &pair{a: filepath.Join(dir, "a"), b: filepath.Join(dir, "b")}
	write(t, p.a, "one")
	write(t, p.b, "one")
	return p
}

// TestWatch changes the files one after the other, as a renewal does.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		var said journal
		f, err := filewatch.Open(slog.New(slog.NewTextHandler(&said, nil)), p.read, p.a, p.b)
		if err != nil {
			t.Fatal(err)
		}
		registry := prometheus.NewRegistry()
		if err := filewatch.Register(registry, "tls", f.Refused); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { f.Watch(ctx) })
		for _, step := range []struct {
			name    string
			change  func()
			reads   int
			inUse   string
			says    string
			refused float64
		}{
			{"nothing", func() {}, 1, "one", "", 0},
			{"one of two", func() { write(t, p.a, "two") }, 2, "one", "new files are not used", 1},
			{"still one of two", func() {}, 2, "one", "", 1},
			{"the other", func() { write(t, p.b, "two") }, 3, "two", "new files are in use", 0},
			{"both", func() { write(t, p.a, "six"); write(t, p.b, "six") }, 4, "six", "new files are in use", 0},
			{"the same size in place", func() { later(t, p.a); later(t, p.b) }, 5, "six", "new files are in use", 0},
			{"one is moved away", func() { rename(t, p.a, p.a+".away") }, 5, "six", "no such file", 1},
			{"and back as it was", func() { rename(t, p.a+".away", p.a) }, 5, "six", "", 0},
			{"one is gone", func() { _ = os.Remove(p.a) }, 5, "six", "no such file", 1},
			{"and there again", func() { write(t, p.a, "six") }, 6, "six", "new files are in use", 0},
		} {
			step.change()
			time.Sleep(filewatch.Every)
			synctest.Wait()
			reads, inUse := p.state()
			if text := said.take(); reads != step.reads || inUse != step.inUse || !strings.Contains(text, step.says) || (step.says == "") != (text == "") {
				t.Errorf("%s: read %d times, %q is in use, and the log says %q", step.name, reads, inUse, text)
			}
			families, err := registry.Gather()
			if err != nil || len(families) != 1 {
				t.Fatalf("%d metrics, %v", len(families), err)
			}
			metric := families[0].GetMetric()[0]
			if metric.GetGauge().GetValue() != step.refused || metric.GetLabel()[0].GetValue() != "tls" || (f.Refused() != nil) != (step.refused == 1) {
				t.Errorf("%s: the metric is %v, refused: %v", step.name, metric, f.Refused())
			}
		}
		cancel()
		watch.Wait()
	})
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestMountedSecret swaps folders as Kubernetes does: the files stay links, by way of one link that is replaced.
func TestMountedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	swap := func(version string) {
		folder := filepath.Join(dir, ".."+version)
		next := filepath.Join(dir, "..data_tmp")
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "keys.json"), []byte(version), 0o600), os.Symlink(".."+version, next)); err != nil {
			t.Fatal(err)
		}
		rename(t, next, filepath.Join(dir, "..data"))
	}
	swap("one")
	path := filepath.Join(dir, "keys.json")
	if err := os.Symlink(filepath.Join("..data", "keys.json"), path); err != nil {
		t.Fatal(err)
	}
	inUse := ""
	f, err := filewatch.Open(nil, func() error {
		text, err := os.ReadFile(path)
		inUse = string(text)
		return err
	}, path)
	if err != nil || inUse != "one" {
		t.Fatalf("%q: %v", inUse, err)
	}
	swap("two")
	if changed, err := f.Reload(); err != nil || !changed || inUse != "two" {
		t.Errorf("after the folder was swapped: changed %v, %q, %v", changed, inUse, err)
	}
}

// later gives a file another time of change and nothing else.
func later(t *testing.T, path string) {
	t.Helper()
	at := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if _, err := filewatch.Open(nil, p.read, p.a, filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) || p.reads > 0 {
		t.Errorf("without a file: %v after %d reads", err, p.reads)
	}
	write(t, p.b, "two")
	if _, err := filewatch.Open(nil, p.read, p.a, p.b); err == nil {
		t.Error("files that do not belong together are taken")
	}
}
