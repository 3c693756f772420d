package acme

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// core writes what certmagic logs to the process's own log, at debug: what matters of it, events tell.
type core struct{ to slog.Handler }

// Enabled implements zapcore.LevelEnabler.
func (c core) Enabled(zapcore.Level) bool { return c.to.Enabled(context.Background(), slog.LevelDebug) }

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.to.WithAttrs(attributes(fields))}
}

// Check implements zapcore.Core.
func (c core) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Write implements zapcore.Core.
func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, slog.LevelDebug, "acme: "+e.Message, 0)
	r.AddAttrs(slog.String("logger", e.LoggerName), slog.String("acme_level", e.Level.String()))
	r.AddAttrs(attributes(fields)...)
	return c.to.Handle(context.Background(), r) // a logger's own
}

// Sync implements zapcore.Core.
func (core) Sync() error { return nil }

func attributes(fields []zapcore.Field) []slog.Attr {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(encoder)
	}
	out := make([]slog.Attr, 0, len(encoder.Fields))
	for name, value := range encoder.Fields {
		out = append(out, slog.Any(name, value))
	}
	return out
}
