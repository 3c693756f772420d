package rpc

import (
	"context"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/consistency"
)

// Consistency is an interceptor that reads the consistency token of each unary request, and puts one on the answer
// when something was written. Install it inside Errors.
func Consistency(now clock.Clock) connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			if r.Spec().IsClient {
				return next(ctx, r)
			}
			asked, err := consistency.Parse(r.Header().Get(consistency.Header), now())
			if err != nil {
				return nil, err
			}
			ctx, session := consistency.Begin(ctx, asked)
			res, err := next(ctx, r)
			if err != nil {
				return nil, err
			}
			// A token that would say nothing new is not sent.
			if marks, changed := session.Next(); changed {
				res.Header().Set(consistency.Header, marks.Token(now()))
			}
			return res, nil
		}
	})
}
