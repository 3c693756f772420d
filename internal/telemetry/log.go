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
	return slog.New(&handler{base: base.WithAttrs(identity)}), nil
}

// handler adds a record's trace to it. Groups are kept here rather than in base, so that trace_id and span_id
// stand at the top level, where a search looks for them, also in records of a grouped logger.
type handler struct {
	base   slog.Handler
	groups []group // from the outermost to the innermost; none has an empty name
}

type group struct {
	name  string
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.base.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if len(h.groups) > 0 {
		r = h.nest(r)
	}
	if span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.base.Handle(ctx, r)
}

// nest returns r with its attributes inside the open groups.
func (h *handler) nest(r slog.Record) slog.Record {
	var attrs []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(append(slices.Clone(g.attrs), attrs...)...)}}
	}
	nested := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	nested.AddAttrs(attrs...)
	return nested
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if len(h.groups) == 0 {
		return &handler{base: h.base.WithAttrs(attrs)}
	}
	groups := slices.Clone(h.groups)
	last := &groups[len(groups)-1]
	last.attrs = append(slices.Clone(last.attrs), attrs...)
	return &handler{base: h.base, groups: groups}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{base: h.base, groups: append(slices.Clone(h.groups), group{name: name})}
}
