package rpc_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// till is a cart service that writes version 3 of a cart, and reads no older cart than is asked for.
type till struct {
	cartv1connect.UnimplementedCartServiceHandler
	fails bool
}

func (h till) SetItem(ctx context.Context, _ *cartv1.SetItemRequest) (*cartv1.SetItemResponse, error) {
	consistency.Wrote(ctx, "cart", "ada", 3)
	if h.fails {
		return nil, fault.New(fault.Aborted, "CART_CHANGED", "it changed")
	}
	return &cartv1.SetItemResponse{}, nil
}

func (till) GetCart(ctx context.Context, _ *cartv1.GetCartRequest) (*cartv1.GetCartResponse, error) {
	if least := consistency.Least(ctx, "cart", "ada"); least > 0 {
		return nil, fault.New(fault.NotFound, "ASKED", "version %d", least)
	}
	return &cartv1.GetCartResponse{}, nil
}

func client(t *testing.T, h till) cartv1connect.CartServiceClient {
	t.Helper()
	s := rpctest.Serve(t, rpctest.Tokens{"ada": {UserID: "ada"}}, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(cartv1connect.NewCartServiceHandler(h, options...))
	})
	return cartv1connect.NewCartServiceClient(s.Client(), s.URL)
}

func TestWritesAreAnsweredWithATokenThatReadsBring(t *testing.T) {
	t.Parallel()
	c := client(t, till{})
	before := consistency.Marks{}.With("product", "tea", 7).Token(time.Now())
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", "Bearer ada")
	info.RequestHeader().Set(consistency.Header, before)
	if _, err := c.SetItem(ctx, &cartv1.SetItemRequest{}); err != nil {
		t.Fatal(err)
	}
	token := info.ResponseHeader().Get(consistency.Header)
	marks, err := consistency.Parse(token, time.Now())
	if err != nil || marks.Least("cart", "ada") != 3 || marks.Least("product", "tea") != 7 {
		t.Errorf("the token %q asks for cart %d and tea %d: %v", token, marks.Least("cart", "ada"), marks.Least("product", "tea"), err)
	}
	_, err = c.GetCart(rpctest.With(t.Context(), "Authorization", "Bearer ada", consistency.Header, token), &cartv1.GetCartRequest{})
	rpctest.Refused(t, "with the token", err, connect.CodeNotFound, "ASKED")
	ctx, info = connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", "Bearer ada")
	if _, err := c.GetCart(ctx, &cartv1.GetCartRequest{}); err != nil || info.ResponseHeader().Get(consistency.Header) != "" {
		t.Errorf("a read without one: %v, %v", info.ResponseHeader(), err)
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	t.Parallel()
	_, err := client(t, till{}).GetCart(rpctest.With(t.Context(), "Authorization", "Bearer ada", consistency.Header, "{}"), &cartv1.GetCartRequest{})
	rpctest.Refused(t, "garbage", err, connect.CodeInvalidArgument, "CONSISTENCY_TOKEN_INVALID")
}

func TestFailedWritesHaveNoToken(t *testing.T) {
	t.Parallel()
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", "Bearer ada")
	_, err := client(t, till{fails: true}).SetItem(ctx, &cartv1.SetItemRequest{})
	rpctest.Refused(t, "a failed write", err, connect.CodeAborted, "CART_CHANGED")
	if got := info.ResponseHeader().Get(consistency.Header); got != "" {
		t.Errorf("its token is %q", got)
	}
}
