package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// ofEdge reports whether an edge answers a path itself: the root, and gRPC's own services.
func ofEdge(path string) bool { return path == "/" || strings.HasPrefix(path, "/grpc.") }

// newFront returns what people and gRPC's tools look for at any server: what it is, whether it serves, and what
// (reflection).
func newFront(region regions.Name, ready func() error) (http.Handler, error) {
	methods, err := method.Linked()
	if err != nil {
		return nil, err
	}
	services := methods.Services()
	reflector := grpcreflect.NewStaticReflector(services...)
	most := connect.WithReadMaxBytes(1 << 10) // a name
	card, err := json.Marshal(map[string]any{"name": "Meridian", "region": region, "services": services, "keys": "/.well-known/jwks.json"})
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(card) // the caller hung up
	})
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
