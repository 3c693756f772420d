package cluster_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
)

func TestStateFolderKeepsForeignFiles(t *testing.T) {
	t.Parallel()
	dir, p := t.TempDir(), plan(t)
	precious := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(precious, []byte("years"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.OpenState(p, dir); !errors.Is(err, cluster.ErrForeignFolder) {
		t.Errorf("OpenState = %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestStateFolderIsCleanedAndLocked(t *testing.T) {
	t.Parallel()
	dir, p := filepath.Join(t.TempDir(), "sim"), plan(t)
	first, err := cluster.OpenState(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	former := filepath.Join(dir, "logs", "former.log")
	if err := os.MkdirAll(filepath.Dir(former), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(former, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.OpenState(p, dir); !errors.Is(err, cluster.ErrStateInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("while it is locked: %v", err)
	}
	if _, err := os.Stat(former); err != nil {
		t.Errorf("a refused start removed state: %v", err)
	}
	first.Release()
	second, err := cluster.OpenState(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	if _, err := os.Stat(former); !os.IsNotExist(err) {
		t.Errorf("former state: %v", err)
	}
}

func TestHolderNamesTheProcess(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr := l.Addr().String()
	if got := cluster.Holder(addr); !strings.Contains(got, fmt.Sprintf("process %d (", os.Getpid())) {
		t.Errorf("Holder = %q", got)
	}
	err = cluster.CheckAddresses(t.Context(), []string{nettest.Address(t), addr})
	if !errors.Is(err, cluster.ErrAddressInUse) || !strings.Contains(err.Error(), addr) {
		t.Errorf("CheckAddresses = %v", err)
	}
}

func TestAddressesAreDistinct(t *testing.T) {
	t.Parallel()
	a, b := cluster.Addresses(plan(t)), cluster.Addresses(plan(t))
	seen := map[string]bool{}
	for _, addr := range append(a, b...) {
		if seen[addr] {
			t.Errorf("%s is used twice", addr)
		}
		seen[addr] = true
	}
}
