package catalogcache_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogrpc"
	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/regions"
)

// asking returns a context that asks for tea at a version.
func asking(t *testing.T, version int64) context.Context {
	t.Helper()
	ctx, _ := consistency.Begin(t.Context(), consistency.Marks{}.With(catalog.Kind, "tea", version))
	return ctx
}

func TestEntriesThatAreTooOldAreNotServed(t *testing.T) {
	t.Parallel()
	s, b, outcomes := open(t, redistest.Start(t).Address)
	expect := func(ctx context.Context, version int64, from cache.Outcome) {
		t.Helper()
		p, err := s.Find(ctx, "tea")
		if err != nil || p.Version != version || (*outcomes)[len(*outcomes)-1] != from {
			t.Errorf("version %d by %s, %v; want version %d by %s", p.Version, (*outcomes)[len(*outcomes)-1], err, version, from)
		}
	}
	expect(asking(t, 1), 1, cache.Miss)
	b.product = tea(2, 800) // by another region
	expect(t.Context(), 1, cache.Hit)
	expect(asking(t, 1), 1, cache.Hit)
	expect(asking(t, 2), 2, cache.Refused)
	expect(asking(t, 2), 2, cache.Hit) // what was read is everyone's
	expect(t.Context(), 2, cache.Hit)
	asked := b.finds
	expect(asking(t, 1000), 2, cache.Refused) // of no write: the store's word is the last
	expect(asking(t, consistency.Newest), 2, cache.Refused)
	if b.finds != asked+2 {
		t.Errorf("the store was asked %d times more", b.finds-asked)
	}
	b.down = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")
	if _, err := s.Find(asking(t, 3), "tea"); fault.Reason(err) != "DATABASE_UNREACHABLE" {
		t.Errorf("an old entry is no answer where the store is away: %v", err)
	}
	find(t, s, tea(2, 800))
}

func TestOutOfDateReadersAreNotShared(t *testing.T) {
	t.Parallel()
	s, b, _ := open(t, "")
	ctx := asking(t, 7)
	if p, err := s.Find(ctx, "tea"); err != nil || p.Version != 1 || b.finds != 1 {
		t.Errorf("without Redis the store is asked once: %d times, version %d, %v", b.finds, p.Version, err)
	}
}

// No token may outlive its use, nor end before what it guards against does.
func TestTokensLiveLongerThanEntries(t *testing.T) {
	t.Parallel()
	if longest := time.Duration(1.1*30*float64(time.Second)) + 30*time.Second; consistency.Life < longest+30*time.Second {
		t.Errorf("an entry lives for up to %v, and a token for %v", longest, consistency.Life)
	}
}

// serve serves a region's catalog as its stacks do.
func (r *region) serve() *httptest.Server {
	return rpctest.Serve(r.t, rpctest.Tokens{}, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(catalogv1connect.NewCatalogServiceHandler(catalogrpc.New(catalog.New(r.Store), regions.Default(), r.name), options...))
	})
}

// get reads tea over HTTP with a consistency token, which may be "".
func get(t *testing.T, s *httptest.Server, token string) (status int, body string) {
	t.Helper()
	query := url.Values{"encoding": {"json"}, "message": {`{"handle": "tea"}`}}.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+catalogv1connect.CatalogServiceGetProductProcedure+"?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set(consistency.Header, token)
	}
	status, _, body = rpctest.Do(t, s, r)
	return status, body
}

// What is written in eu is read in ap at once by who brings its token. Who does not may be given the old product
// there, whose cache was not outcomes yet.
func TestOwnWritesAreReadInEveryRegion(t *testing.T) {
	t.Parallel()
	all := shop(t, "eu-west-1", "ap-southeast-1")
	eu, ap := all[0], all[1]
	server := ap.serve()
	old := 0
	for i := range int64(20) {
		if status, body := get(t, server, ""); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		minor := 751 + i
		ctx, session := consistency.Begin(t.Context(), consistency.Marks{})
		if _, err := eu.Put(ctx, []catalog.Product{tea(0, minor)}); err != nil {
			t.Fatal(err)
		}
		marks, wrote := session.Next()
		if !wrote {
			t.Fatal("the write left no mark")
		}
		want := fmt.Sprintf(`"minorUnits":"%d"`, minor)
		if _, body := get(t, server, ""); !strings.Contains(body, want) {
			old++
		}
		status, body := get(t, server, marks.Token(time.Now()))
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Fatalf("write %d: with its token: %d %s; want %s", i, status, body, want)
		}
		// The same write once more changes nothing, and its token asks for the same.
		again, session := consistency.Begin(t.Context(), consistency.Marks{})
		if stored, err := eu.Put(again, []catalog.Product{tea(0, minor)}); err != nil || stored.Changed != 0 {
			t.Fatalf("%d products changed, %v", stored.Changed, err)
		}
		repeated, _ := session.Next()
		if diff := cmp.Diff(marks.Least(catalog.Kind, "tea"), repeated.Least(catalog.Kind, "tea")); diff != "" {
			t.Errorf("a repetition asks for another version\n%s", diff)
		}
	}
	if old == 0 {
		t.Error("nobody was given an old product without a token, so the test shows nothing")
	}
}

func TestGarbageIsNoToken(t *testing.T) {
	t.Parallel()
	ap := shop(t, "ap-southeast-1")[0]
	status, body := get(t, ap.serve(), "garbage")
	if status != http.StatusBadRequest || !strings.Contains(body, "CONSISTENCY_TOKEN_INVALID") {
		t.Errorf("%d %s", status, body)
	}
}
