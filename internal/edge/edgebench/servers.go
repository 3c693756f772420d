package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/id"
)

const (
	region   = "eu-west-1"
	path     = "/meridian.catalog.v1.CatalogService/GetProduct?encoding=json&message=%7B%22handle%22%3A%22mug%22%7D"
	startup  = 30 * time.Second
	stopTime = 5 * time.Second
)

// subject is one server under measurement.
type subject struct {
	name    string
	addr    string
	token   string // sent with every request; "": none
	process *exec.Cmd
}

// bench is everything that runs.
type bench struct {
	dir      string
	meridian string
	ports    map[string]string // host:port by role
	consul   *http.Server
	started  []*exec.Cmd
	subjects []subject
}

func newBench(ctx context.Context, dir, meridian string) (*bench, error) {
	meridian, err := filepath.Abs(meridian)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", meridian, err)
	}
	b := &bench{dir: dir, meridian: meridian, ports: map[string]string{}}
	for _, program := range []string{meridian, "h2load", "nginx", "haproxy", "caddy"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not here; `make bench-edge` installs it: %w", program, err)
		}
	}
	var held []net.Listener // all at once, so that they differ
	for _, role := range []string{"upstream", "direct", "nginx", "haproxy", "caddy", "edge", "admin", "consul", "bare"} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a port: %w", err)
		}
		b.ports[role] = l.Addr().String()
		held = append(held, l)
	}
	for _, l := range held {
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("free a port: %w", err)
		}
	}
	return b, nil
}

// start starts the upstream, then what stands before it.
func (b *bench) start(ctx context.Context) error {
	if err := errors.Join(os.Chmod(b.dir, 0o755), writeCertificate(b.dir), b.writeConfigs(), b.serveConsul(ctx)); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, b.meridian, "keys", "generate", "--dir", b.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("make keys: %w: %s", err, out)
	}
	bearer, err := b.issue()
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(b.dir, name) }
	upstream, err := b.run("upstream", "nginx", "-p", b.dir, "-c", at("upstream.conf"), "-g", "daemon off;")
	if err != nil {
		return err
	}
	b.subjects = []subject{{name: "direct (no proxy)", addr: b.ports["direct"], process: upstream}}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	for _, s := range []struct {
		name, role, program string
		args                []string
	}{
		{"net/http, no proxy", "bare", self, []string{serveBare, b.ports["bare"]}},
		{"nginx", "nginx", "nginx", []string{"-p", b.dir, "-c", at("nginx.conf"), "-g", "daemon off;"}},
		{"HAProxy", "haproxy", "haproxy", []string{"-db", "-f", at("haproxy.cfg")}},
		{"Caddy", "caddy", "caddy", []string{"run", "--adapter", "caddyfile", "--config", at("Caddyfile")}},
		{"Meridian", "edge", b.meridian, []string{"edge", "--config", at("edge.yaml")}},
	} {
		process, err := b.run(s.role, s.program, s.args...)
		if err != nil {
			return err
		}
		b.subjects = append(b.subjects, subject{name: s.name, addr: b.ports[s.role], process: process})
	}
	b.subjects = append(b.subjects, subject{name: "Meridian, signed in", addr: b.ports["edge"], token: bearer, process: b.subjects[len(b.subjects)-1].process})
	for _, s := range b.subjects {
		if err := b.ready(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// run starts a server whose output goes to a file.
func (b *bench) run(role, program string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(b.dir, role+".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	defer func() { _ = log.Close() }()  // the child has its own
	c := exec.Command(program, args...) // stop ends it
	c.Dir, c.Stdout, c.Stderr = b.dir, log, log
	c.Env = append(os.Environ(), "HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir, "XDG_DATA_HOME="+b.dir)
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	b.started = append(b.started, c)
	return c, nil
}

// ready waits until a subject serves, a few times in a row.
func (b *bench) ready(ctx context.Context, s subject) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a certificate of this run, on loopback
	}}
	defer client.CloseIdleConnections()
	last := errors.New("not asked")
	good := 0
	for deadline := time.Now().Add(startup); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.addr+path, nil)
		if err != nil {
			return fmt.Errorf("ask %s: %w", s.name, err)
		}
		res, err := client.Do(req)
		if last = err; err == nil {
			_ = res.Body.Close()
			last = errors.New(res.Status)
		}
		if err != nil || res.StatusCode != http.StatusOK {
			good = 0
			continue
		}
		if good++; good == 5 {
			return nil
		}
	}
	logs, _ := filepath.Glob(filepath.Join(b.dir, "*.log"))
	for _, f := range logs {
		text, _ := os.ReadFile(f)
		fmt.Fprintf(os.Stderr, "%s:\n%s\n", filepath.Base(f), text)
	}
	return fmt.Errorf("%s at %s does not serve: %w", s.name, s.addr, last)
}

// stop ends every server.
func (b *bench) stop() {
	for _, c := range b.started {
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	for _, c := range b.started {
		timer := time.AfterFunc(stopTime, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		timer.Stop()
	}
	if b.consul != nil {
		_ = b.consul.Close()
	}
}

// serveConsul stands in for the region's Consul: it knows one stack, the upstream.
func (b *bench) serveConsul(ctx context.Context) error {
	host, port, _ := strings.Cut(b.ports["upstream"], ":")
	list := fmt.Sprintf(`[{"Node":{"Address":%q},"Service":{"ID":"upstream","Address":%q,"Port":%s,"Meta":{"region":%q}}}]`, host, host, port, region)
	b.consul = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/health/service/") {
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Get("index") == "1" {
			select {
			case <-time.After(10 * time.Second):
			case <-r.Context().Done():
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Consul-Index", "1")
		_, _ = w.Write([]byte(list))
	})}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", b.ports["consul"])
	if err != nil {
		return fmt.Errorf("stand in for Consul: %w", err)
	}
	go func() { _ = b.consul.Serve(l) }()
	return nil
}

// issue returns an access token that the edge verifies.
func (b *bench) issue() (string, error) {
	set, err := token.Load(filepath.Join(b.dir, "auth.json"))
	if err != nil {
		return "", fmt.Errorf("read the keys: %w", err)
	}
	issuer, err := token.NewIssuer(set, clock.System())
	if err != nil {
		return "", fmt.Errorf("use the keys: %w", err)
	}
	text, _, err := issuer.Issue(token.Claims{Subject: id.New(id.User, "eu1"), Home: region, Currency: "EUR"}, time.Hour)
	if err != nil {
		return "", fmt.Errorf("issue a token: %w", err)
	}
	return text, nil
}
