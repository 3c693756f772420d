package app

import (
	"context"
	"errors"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/payment/sandbox"
)

// RunSandbox runs the sandbox payment provider until ctx ends.
func RunSandbox(ctx context.Context, c config.Config, o sandbox.Options) error {
	p := &process{config: c, draining: make(chan struct{})}
	p.config.Shutdown.Delay = 0 // nobody balances over it
	if err := p.buildSandbox(ctx, o); err != nil {
		return errors.Join(err, p.closers.close(context.WithoutCancel(ctx)))
	}
	return p.run(ctx)
}

func (p *process) buildSandbox(ctx context.Context, o sandbox.Options) error {
	var err error
	if p.telemetry, err = startTelemetry(ctx, p.config, "meridian-sandbox-provider", &p.closers); err != nil {
		return err
	}
	provider, err := sandbox.New(o)
	if err != nil {
		return err
	}
	p.closers.add(func(context.Context) error { return provider.Close() })
	measured, err := p.telemetry.MeasureHTTP(provider.Handler())
	if err != nil {
		return err
	}
	handler := otelhttp.NewHandler(measured, "sandbox-provider",
		otelhttp.WithTracerProvider(p.telemetry.Tracers), otelhttp.WithPropagators(p.telemetry.Propagator), otelhttp.WithMeterProvider(noMetrics))
	api, err := listen(p.config.Listen, handler)
	if err := p.listen(p.config.Listen, api, err); err != nil {
		return err
	}
	admin, err := listen(p.config.AdminListen, p.telemetry.AdminHandler())
	return p.listen(p.config.AdminListen, admin, err)
}
