package app

import (
	"context"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// grpcPrefix begins the paths of gRPC's own services, which an edge answers itself.
const grpcPrefix = "/grpc."

// newGRPC returns what gRPC's tools look for at any server: whether it serves, and what (reflection).
func newGRPC(ready func() error) (http.Handler, error) {
	methods, err := method.Linked()
	if err != nil {
		return nil, err
	}
	services := methods.Services()
	reflector := grpcreflect.NewStaticReflector(services...)
	most := connect.WithReadMaxBytes(1 << 10) // a name
	mux := http.NewServeMux()
	mux.Handle(grpcreflect.NewHandlerV1(reflector, most))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, most))
	mux.Handle(grpchealth.NewHandler(healthOf{services, ready}, most))
	return rpc.Statuses(mux), nil
}

// healthOf tells gRPC's health of an edge: all services are as healthy as it is.
type healthOf struct {
	services []string
	ready    func() error
}

// Check implements grpchealth.Checker.
func (h healthOf) Check(_ context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if r.Service != "" && !slices.Contains(h.services, r.Service) {
		return nil, rpc.ToConnect(fault.New(fault.NotFound, "METHOD_UNKNOWN", "there is no service %.80q", r.Service))
	}
	status := grpchealth.StatusServing
	if h.ready() != nil {
		status = grpchealth.StatusNotServing
	}
	return &grpchealth.CheckResponse{Status: status}, nil
}
