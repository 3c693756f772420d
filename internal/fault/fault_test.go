package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/fault"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	plain := fault.New(fault.NotFound, "ORDER_NOT_FOUND", "there is no order %q", "x")
	if got, want := plain.Error(), `ORDER_NOT_FOUND: there is no order "x"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wrapped := fault.Wrap(io.EOF, fault.Unavailable, "DATABASE_UNREACHABLE", "retry")
	if got, want := wrapped.Error(), "DATABASE_UNREACHABLE: retry: EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(wrapped, io.EOF) || errors.Unwrap(plain) != nil {
		t.Errorf("causes are %v and %v", errors.Unwrap(wrapped), errors.Unwrap(plain))
	}
}

func TestCopiesLeaveTheOriginalAlone(t *testing.T) {
	t.Parallel()
	plain := fault.New(fault.Aborted, "CART_CHANGED", "read it again")
	one := plain.With("etag", "v1").After(time.Second)
	two := one.With("etag", "v2").With("sku", "A").After(time.Minute)
	want := []*fault.Error{
		{Kind: fault.Aborted, Reason: "CART_CHANGED", Message: "read it again"},
		{Kind: fault.Aborted, Reason: "CART_CHANGED", Message: "read it again", Metadata: map[string]string{"etag": "v1"}, RetryAfter: time.Second},
		{
			Kind: fault.Aborted, Reason: "CART_CHANGED", Message: "read it again", RetryAfter: time.Minute,
			Metadata: map[string]string{"etag": "v2", "sku": "A"},
		},
	}
	if diff := cmp.Diff(want, []*fault.Error{plain, one, two}); diff != "" {
		t.Error(diff)
	}
	kept := fault.Wrap(io.EOF, fault.Internal, "X", "x").With("a", "b").After(1)
	if !errors.Is(kept, io.EOF) {
		t.Errorf("the copy lost its cause: %v", kept)
	}
}

func TestIsAndReason(t *testing.T) {
	t.Parallel()
	known := fault.New(fault.Exists, "EMAIL_TAKEN", "sign in")
	for name, c := range map[string]struct {
		err    error
		is     bool
		reason string
	}{
		"itself":            {known, true, "EMAIL_TAKEN"},
		"wrapped":           {fmt.Errorf("account: create: %w", known), true, "EMAIL_TAKEN"},
		"joined":            {errors.Join(nil, io.EOF, known), true, "EMAIL_TAKEN"},
		"behind another":    {fault.Wrap(known, fault.Internal, "OUTER", "x"), false, "OUTER"},
		"another error":     {io.EOF, false, ""},
		"no error":          {nil, false, ""},
		"another kind":      {fault.New(fault.Invalid, "EMAIL_INVALID", "x"), false, "EMAIL_INVALID"},
		"the zero of kinds": {fault.New(fault.Internal, "", "x"), false, ""},
	} {
		if got := fault.Is(c.err, fault.Exists); got != c.is {
			t.Errorf("%s: Is = %t", name, got)
		}
		if got := fault.Reason(c.err); got != c.reason {
			t.Errorf("%s: Reason = %q, want %q", name, got, c.reason)
		}
	}
	if fault.Is(nil, fault.Internal) || fault.Is(io.EOF, fault.Internal) {
		t.Error("an error of no kind is Internal, the zero Kind")
	}
}
