package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/meridian-commerce/meridian/regions"
)

// reaffirmEvery is how often a registration is looked up, so that an agent that lost it is told again.
const reaffirmEvery = 2 * time.Second

// Instance is a process that registers itself.
type Instance struct {
	ID        string // its name, unique within the region
	Region    regions.Name
	Service   string                   // ServiceName or EdgeServiceName
	Target    string                   // what it serves, such as all
	Says      func() map[string]string // more metadata, asked again and again; nil: none
	Advertise string                   // host:port of its API, as others in its region reach it
	ReadyURL  string                   // what Consul checks every second
	Logger    *slog.Logger             // nil: none
}

// Registration keeps an instance registered until Deregister.
type Registration struct {
	client  *api.Client
	service *api.AgentServiceRegistration // but for what the instance says
	says    func() map[string]string
	log     *slog.Logger
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Register registers an instance with its region's Consul agent and keeps it so: an agent that does not
// answer, that lost the registration, or that has what the instance no longer says, is tried again until ctx is done or
// Deregister is called. Errors are only about the instance's description, because it serves without Consul too.
func Register(ctx context.Context, consulAddr string, in Instance) (*Registration, error) {
	host, portText, err := net.SplitHostPort(in.Advertise)
	if err != nil {
		return nil, fmt.Errorf("discovery: register: the advertised address: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 || host == "" {
		return nil, fmt.Errorf("discovery: register: the advertised address %q names no host and port", in.Advertise)
	}
	if in.ID == "" || in.Region == "" || in.Service == "" || in.ReadyURL == "" {
		return nil, errors.New("discovery: register: an instance has an id, a region, a service and a URL to check")
	}
	client, err := newConsulClient(consulAddr, nil)
	if err != nil {
		return nil, err
	}
	r := &Registration{client: client, log: cmp.Or(in.Logger, slog.New(slog.DiscardHandler)), service: in.service(host, int(port)), says: in.Says}
	ctx, r.stop = context.WithCancel(ctx)
	r.done.Go(func() { r.keep(ctx) })
	return r, nil
}

func (in Instance) service(host string, port int) *api.AgentServiceRegistration {
	return &api.AgentServiceRegistration{
		ID: in.ID, Name: in.Service, Address: host, Port: port,
		Tags: []string{string(in.Region), in.Target},
		Meta: map[string]string{metaRegion: string(in.Region), metaTarget: in.Target, metaAdmin: in.adminPort()},
		Check: &api.AgentServiceCheck{
			CheckID: in.Service + ":" + in.ID, Name: "ready", HTTP: in.ReadyURL,
			Interval: "1s", Timeout: "1s", SuccessBeforePassing: 2, FailuresBeforeCritical: 2,
			DeregisterCriticalServiceAfter: "10m",
		},
	}
}

// adminPort returns the port of the admin listener, where metrics are; "" where the URL has none.
func (in Instance) adminPort() string {
	u, err := url.Parse(in.ReadyURL)
	if err != nil {
		return ""
	}
	return u.Port()
}

// keep registers at once, then looks the registration up on every tick.
func (r *Registration) keep(ctx context.Context) {
	tick := time.NewTicker(reaffirmEvery)
	defer tick.Stop()
	failing := true
	for first := true; ctx.Err() == nil; first = false {
		switch err := r.affirm(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil && (first || !failing):
			r.log.Warn("Consul does not take the registration; trying on", slog.Any("error", err))
			failing = true
		case err == nil && failing:
			r.log.Info("registered with Consul")
			failing = false
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// wanted is the registration with what the instance says now.
func (r *Registration) wanted() *api.AgentServiceRegistration {
	if r.says == nil {
		return r.service
	}
	service := *r.service
	service.Meta = r.says()
	maps.Copy(service.Meta, r.service.Meta)
	return &service
}

// affirm registers unless the agent has the registration.
func (r *Registration) affirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	want := r.wanted()
	have, _, err := r.client.Agent().Service(r.service.ID, (&api.QueryOptions{}).WithContext(ctx))
	var status api.StatusError
	switch {
	case err == nil && have.Address == want.Address && have.Port == want.Port && maps.Equal(have.Meta, want.Meta):
		return nil
	case err != nil && (!errors.As(err, &status) || status.Code != http.StatusNotFound):
		return fmt.Errorf("discovery: look up registration of %s: %w", r.service.ID, err)
	}
	opts := api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)
	if err := r.client.Agent().ServiceRegisterOpts(want, opts); err != nil {
		return fmt.Errorf("discovery: register %s: %w", r.service.ID, err)
	}
	return nil
}

// Deregister ends the registration, as the first step of a drain. It is called once. An error means that
// Consul may still list the instance.
func (r *Registration) Deregister(ctx context.Context) error {
	r.stop()
	r.done.Wait()
	err := r.client.Agent().ServiceDeregisterOpts(r.service.ID, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return fmt.Errorf("discovery: deregister %s: %w", r.service.ID, err)
	}
	return nil
}
