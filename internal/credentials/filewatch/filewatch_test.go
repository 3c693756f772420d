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
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { f.Watch(ctx) })
		for _, step := range []struct {
			name   string
			change func()
			reads  int
			inUse  string
			says   string
		}{
			{"nothing", func() {}, 1, "one", ""},
			{"one of two", func() { write(t, p.a, "two") }, 2, "one", "new files are not used"},
			{"still one of two", func() {}, 2, "one", ""},
			{"the other", func() { write(t, p.b, "two") }, 3, "two", "new files are in use"},
			{"both", func() { write(t, p.a, "six"); write(t, p.b, "six") }, 4, "six", "new files are in use"},
			{"the same size in place", func() { later(t, p.a); later(t, p.b) }, 5, "six", "new files are in use"},
			{"one is gone", func() { _ = os.Remove(p.a) }, 5, "six", "no such file"},
			{"and back", func() { write(t, p.a, "six") }, 6, "six", "new files are in use"},
		} {
			step.change()
			time.Sleep(filewatch.Every)
			synctest.Wait()
			reads, inUse := p.state()
			if text := said.take(); reads != step.reads || inUse != step.inUse || !strings.Contains(text, step.says) || (step.says == "") != (text == "") {
				t.Errorf("%s: read %d times, %q is in use, and the log says %q", step.name, reads, inUse, text)
			}
		}
		cancel()
		watch.Wait()
	})
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
