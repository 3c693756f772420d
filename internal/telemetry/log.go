package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// LogConfig says what is logged, and how. The tags of its fields are configuration keys, below log; "" is the default.
type LogConfig struct {
	Level  string `koanf:"level" default:"info" help:"debug, info, warn or error"`
	Format string `koanf:"format" default:"json" help:"json or text"`
}

// newLogger returns a logger whose records carry service, region, instance and, from a record's context,
// trace_id and span_id.
func newLogger(cfg Config) (*slog.Logger, error) {
	var level slog.Level
	if cfg.Log.Level != "" {
		if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
			return nil, fmt.Errorf("telemetry: log level %q is none of debug, info, warn, error", cfg.Log.Level)
		}
	}
	var base slog.Handler
	options := &slog.HandlerOptions{Level: level}
	switch cfg.Log.Format {
	case "json", "":
		base = slog.NewJSONHandler(cfg.Output, options)
	case "text":
		base = slog.NewTextHandler(cfg.Output, options)
	default:
		return nil, fmt.Errorf("telemetry: log format %q is neither json nor text", cfg.Log.Format)
	}
	identity := []slog.Attr{slog.String("service", cfg.Service)}
	if cfg.Region != "" {
		identity = append(identity, slog.String("region", string(cfg.Region)))
	}
	if cfg.Instance != "" {
		identity = append(identity, slog.String("instance", cfg.Instance))
	}
	base = base.WithAttrs(identity)
	return slog.New(&handler{Handler: base, base: base}), nil
}

// handler adds a record's trace to it, at the top level, where a search looks for it, also in records of a grouped logger:
// what was done to the logger since its first group is done again for each such record.
type handler struct {
	slog.Handler
	base  slog.Handler                      // without groups
	since []func(slog.Handler) slog.Handler // what makes Handler of base
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.Handler.Handle(ctx, r)
	}
	to := h.base.WithAttrs([]slog.Attr{slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String())})
	for _, again := range h.since {
		to = again(to)
	}
	return to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) }
	if len(h.since) == 0 {
		return &handler{Handler: with(h.base), base: with(h.base)}
	}
	return &handler{with(h.Handler), h.base, append(slices.Clone(h.since), with)}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := func(to slog.Handler) slog.Handler { return to.WithGroup(name) }
	return &handler{with(h.Handler), h.base, append(slices.Clone(h.since), with)}
}
