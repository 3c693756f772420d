package rpc

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
)

// Authorize is an interceptor that holds each call to what its method says of who may call it: fault.Unauthenticated
// without a valid access token where one is needed, fault.Denied without one of the method's roles. A procedure that
// the table does not have is refused to everybody. Install it inside Errors.
func Authorize(methods *method.Table) connect.Interceptor { return authorizer{methods} }

type authorizer struct{ methods *method.Table }

func (a authorizer) authorize(ctx context.Context, procedure string) error {
	// What the table does not have is refused rather than let through, so that a forgotten entry is noticed.
	m, ok := a.methods.RPC(procedure)
	if !ok {
		return fault.New(fault.Denied, "ROLE_MISSING", "nobody may call %s", procedure)
	}
	if !m.Authenticated {
		return nil
	}
	caller, err := CallerOf(ctx)
	if err != nil {
		return err
	}
	if len(m.Roles) > 0 && !slices.Contains(m.Roles, caller.Role) {
		return fault.New(fault.Denied, "ROLE_MISSING", "calling %s takes one of the roles %v", procedure, m.Roles)
	}
	return nil
}

// WrapUnary implements connect.Interceptor.
func (a authorizer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if err := a.authorize(ctx, r.Spec().Procedure); err != nil {
			return nil, err
		}
		return next(ctx, r)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (a authorizer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (a authorizer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, c connect.StreamingHandlerConn) error {
		if err := a.authorize(ctx, c.Spec().Procedure); err != nil {
			return err
		}
		return next(ctx, c)
	}
}
