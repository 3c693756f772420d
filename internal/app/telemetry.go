package app

import (
	"context"

	"go.opentelemetry.io/otel"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/telemetry"
)

// startTelemetry starts a process's telemetry. It sets OpenTelemetry's globals too, once in the process's life,
// for libraries that ask them.
func startTelemetry(ctx context.Context, c config.Config, service string, end *closers) (*telemetry.Telemetry, error) {
	t, err := telemetry.Start(ctx, telemetry.Config{
		Service: service, Instance: c.Instance, Region: c.Region, Log: c.Log, OTLPEndpoint: c.OTLPEndpoint,
	})
	if err != nil {
		return nil, err
	}
	end.add(t.Shutdown)
	otel.SetTracerProvider(t.Tracers)
	otel.SetTextMapPropagator(t.Propagator)
	return t, nil
}
