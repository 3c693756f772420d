package password

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
)

var cheap = params{memory: 64, time: 1, threads: 1} // for tests of everything but the costs

func TestHashVerify(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap, 2)
	for _, password := range []string{"correct horse", "", "pässwörd 🔑", strings.Repeat("x", 1000), "with\x00zero"} {
		hash, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := h.Hash(t.Context(), password); err != nil || again == hash {
			t.Errorf("%q has the hash %s twice (%v)", password, hash, err)
		}
		for given, want := range map[string]bool{password: true, password + "x": false, "with": false} {
			if got, err := h.Verify(t.Context(), hash, given); err != nil || got != want {
				t.Errorf("Verify(hash of %q, %q) = %t, %v, want %t", password, given, got, err, want)
			}
		}
		if h.NeedsRehash(hash) {
			t.Errorf("a new hash %s needs a rehash", hash)
		}
	}
}

// TestDefaultCosts pins the costs of production, once.
func TestDefaultCosts(t *testing.T) {
	t.Parallel()
	h := New()
	hash, err := h.Hash(t.Context(), "secret")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("Hash = %s, %v", hash, err)
	}
	if ok, err := h.Verify(t.Context(), hash, "secret"); err != nil || !ok {
		t.Errorf("Verify = %t, %v", ok, err)
	}
}

// TestKnownAnswer: a hash made by the reference implementation (its test suite: "password", "somesalt").
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	key, err := hex.DecodeString("09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7")
	if err != nil {
		t.Fatal(err)
	}
	hash := parsed{params: params{memory: 1 << 16, time: 2, threads: 1}, salt: []byte("somesalt"), key: key}.String()
	if ok, err := newHasher(cheap, 1).Verify(t.Context(), hash, "password"); err != nil || !ok {
		t.Errorf("Verify(%s) = %t, %v", hash, ok, err)
	}
}

func TestNeedsRehash(t *testing.T) {
	t.Parallel()
	h := newHasher(params{memory: 128, time: 2, threads: 1}, 1)
	for name, costs := range map[string]params{
		"less memory": {memory: 64, time: 2, threads: 1}, "fewer passes": {memory: 128, time: 1, threads: 1},
		"more threads": {memory: 128, time: 2, threads: 2},
	} {
		hash, err := newHasher(costs, 1).Hash(t.Context(), "secret")
		if err != nil {
			t.Fatal(err)
		}
		if !h.NeedsRehash(hash) {
			t.Errorf("%s: no rehash of %s", name, hash)
		}
		if ok, err := h.Verify(t.Context(), hash, "secret"); err != nil || !ok {
			t.Errorf("%s: Verify = %t, %v", name, ok, err)
		}
	}
	if !h.NeedsRehash("nonsense") {
		t.Error("no rehash of nonsense")
	}
}

func TestVerifyNobody(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap, 1)
	if err := h.VerifyNobody(t.Context(), "secret"); err != nil {
		t.Error(err)
	}
	if h.decoy.params != h.costs || len(h.decoy.salt) != saltLen || len(h.decoy.key) != keyLen {
		t.Errorf("the decoy %s does not cost what a new hash costs", h.decoy)
	}
}

// TestLine: with every slot taken, a caller waits; one whose ctx ends is told to come back, and the rest go on.
func TestLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap, 1)
		h.slots <- struct{}{} // somebody else hashes
		impatient, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := h.Hash(impatient, "secret")
			if !fault.Is(err, fault.Unavailable) || fault.Reason(err) != "SIGN_IN_BUSY" || !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		var hashed atomic.Bool
		wg.Go(func() {
			if _, err := h.Hash(t.Context(), "secret"); err != nil {
				t.Errorf("who stayed got %v", err)
			}
			hashed.Store(true)
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		if hashed.Load() {
			t.Error("two hashes at a time with one slot")
		}
		<-h.slots
		wg.Wait()
		if len(h.slots) != 0 {
			t.Error("a slot was not given back")
		}
	})
}

// TestFullLine: who finds the line full is sent away at once, and those in it are served.
func TestFullLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap, 1)
		h.slots <- struct{}{} // somebody else hashes
		var hashed atomic.Int64
		var wg sync.WaitGroup
		for range lineOfSlot {
			wg.Go(func() {
				if _, err := h.Hash(t.Context(), "secret"); err == nil {
					hashed.Add(1)
				}
			})
		}
		synctest.Wait()
		if _, err := h.Hash(t.Context(), "secret"); !fault.Is(err, fault.Unavailable) || fault.Reason(err) != "SIGN_IN_BUSY" || !errors.Is(err, errLineFull) {
			t.Errorf("one more than the line takes got %v", err)
		}
		<-h.slots
		wg.Wait()
		if hashed.Load() != lineOfSlot || len(h.line) != 0 || len(h.slots) != 0 {
			t.Errorf("of %d in the line %d were served; %d and %d places were not given back", lineOfSlot, hashed.Load(), len(h.line), len(h.slots))
		}
	})
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // a free slot must not win over an ended ctx
		if _, err := h.Hash(ctx, "secret"); !errors.Is(err, context.Canceled) {
			t.Fatalf("Hash = %v, want context.Canceled", err)
		}
	}
}

const salt, digest = "c2FsdHNhbHRzYWx0c2FsdA", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse("$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + digest)
	if err != nil {
		t.Fatal(err)
	}
	want := parsed{params{19456, 2, 1}, []byte("saltsaltsaltsalt"), []byte("0123456789abcdef0123456789abcdef")}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(parsed{}, params{})); diff != "" {
		t.Errorf("parsed (-want +got)\n%s", diff)
	}
	good := "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + digest
	if _, err := parse(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another function":   {"argon2id", "argon2i"},
		"another version":    {"v=19", "v=16"},
		"no version":         {"v=19$", ""},
		"prefix":             {"$argon2id", "x$argon2id"},
		"a field more":       {"m=64", "keyid=1$m=64"},
		"costs missing":      {",p=1", ""},
		"costs out of order": {"m=64,t=1", "t=1,m=64"},
		"a cost more":        {"p=1", "p=1,data=x"},
		"zero passes":        {"t=1", "t=0"},
		"leading zero":       {"t=1", "t=01"},
		"plus sign":          {"t=1", "t=+1"},
		"negative":           {"t=1", "t=-1"},
		"no number":          {"t=1", "t="},
		"too many passes":    {"t=1", "t=17"},
		"too much memory":    {"m=64", "m=262145"},
		"beyond 32 bits":     {"m=64", "m=4294967360"},
		"too little memory":  {"m=64", "m=7"},
		"too many threads":   {"p=1", "p=17"},
		"beyond 8 bits":      {"p=1", "p=257"},
		"short salt":         {salt, "c2FsdA"},
		"long salt":          {salt, strings.Repeat("YWFh", 22)},
		"short hash":         {digest, "MDEyMzQ1"},
		"long hash":          {digest, strings.Repeat("YWFh", 22)},
		"padding":            {salt, salt + "=="},
		"URL alphabet":       {salt, "c2FsdHNhbHRzYWx0_2FsdA"},
		"spare bits":         {"ZWY", "ZWZ"},
		"line break":         {salt, "c2FsdHNhbHRz\nYWx0c2FsdA"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := parse(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: parse(%q) = %v, want ErrFormat", name, bad, err)
		}
		if ok, err := newHasher(cheap, 1).Verify(t.Context(), bad, "secret"); ok || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Verify = %t, %v", name, ok, err)
		}
	}
}

// FuzzParse: what is accepted is within bounds, and has one spelling.
func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + digest)
	f.Add("$argon2id$v=19$m=4294967295,t=0,p=256$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, hash string) {
		p, err := parse(hash)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("err = %v, want ErrFormat", err)
			}
			return
		}
		if p.String() != hash {
			t.Errorf("parsed as %s", p)
		}
		if p.memory < 8 || p.memory > maxMemory || p.time < 1 || p.time > maxTime || p.threads < 1 || p.threads > maxThreads {
			t.Errorf("costs out of bounds: %+v", p.params)
		}
	})
}
