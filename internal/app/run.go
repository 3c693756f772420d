package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/telemetry"
)

// process is what every long-running command is: listeners, background work and an orderly end.
type process struct {
	config     config.Config
	telemetry  *telemetry.Telemetry
	servers    []*server
	background []func(ctx context.Context) // each returns soon after its ctx ended
	leave      func(ctx context.Context)   // leaves discovery; may be nil
	draining   chan struct{}               // closed when long streams must end
	closers    closers
}

func (p *process) listen(address string, s *server, err error) error {
	if err != nil {
		return err
	}
	p.servers = append(p.servers, s)
	p.telemetry.Logger.Debug("listening", "address", address)
	return nil
}

// run serves until ctx ends or a listener fails, then ends in order: leave discovery, go on serving while
// others notice, let requests end, stop background work, close.
func (p *process) run(ctx context.Context) error {
	log := p.telemetry.Logger
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var group errgroup.Group
	for _, work := range p.background {
		group.Go(func() error { work(working); return nil })
	}
	failed := make(chan error, len(p.servers))
	for _, s := range p.servers {
		go func() { failed <- s.serve() }()
	}
	log.InfoContext(ctx, "serving", "listen", p.config.Listen, "admin_listen", p.config.AdminListen)
	var err error
	select {
	case <-ctx.Done():
		log.Info("draining", "delay", p.config.Shutdown.Delay)
		p.drain()
	case err = <-failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.Shutdown.Timeout)
	defer cancel()
	close(p.draining)
	for _, s := range p.servers {
		err = errors.Join(err, s.shutdown(ending))
	}
	stopWork()
	_ = group.Wait() // background work returns no error
	err = errors.Join(err, p.closers.close(ending))
	logEnd(log, err)
	return err
}

func (p *process) drain() {
	p.telemetry.Readiness.SetDraining()
	if p.leave != nil {
		limited, cancel := context.WithTimeout(context.Background(), time.Second)
		p.leave(limited)
		cancel()
	}
	time.Sleep(p.config.Shutdown.Delay)
}

func logEnd(log *slog.Logger, err error) {
	if err != nil {
		log.Error("ended", "error", err)
		return
	}
	log.Info("ended")
}
