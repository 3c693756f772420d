package kubecheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// Who asks the API server.
const (
	admin    = "admin"
	deployer = "deployer"
)

// plane is a control plane on loopback: an API server for each of some regions, over one etcd.
type plane struct {
	t         *testing.T
	dir       string // logs, certificates, etcd's data
	stubs     string // programs that scripts find first
	authority *authority
	servers   map[string]string // by region, its API server
	configs   map[string]string // by who, the kubeconfig
	started   map[string]server
	client    *http.Client // the administrator's
}

// server is a program that runs until it is killed, or has ended by itself.
type server struct {
	process *os.Process
	ended   chan struct{}
}

// startPlane starts etcd and an API server for each region, and returns when they are ready.
func startPlane(t *testing.T, stubs string, regions ...string) *plane {
	t.Helper()
	p := &plane{t: t, stubs: stubs, dir: t.TempDir(), servers: map[string]string{}, configs: map[string]string{}, started: map[string]server{}}
	p.authority = newAuthority(t, p.dir)
	etcd, peers := "http://"+freeAddress(t), "http://"+freeAddress(t)
	p.start("etcd", "etcd", "--data-dir", filepath.Join(p.dir, "etcd.data"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)
	server, accounts := p.authority.pair(t, "kube-apiserver"), p.authority.pair(t, "service-accounts")
	for _, region := range regions {
		address := freeAddress(t)
		_, port, _ := net.SplitHostPort(address)
		p.servers[region] = "https://" + address
		p.start("kube-apiserver "+region, "kube-apiserver", "--etcd-servers", etcd, "--etcd-prefix", "/"+region,
			"--bind-address=127.0.0.1", "--secure-port", port,
			"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", // no loopback address may be advertised
			"--tls-cert-file", server.cert, "--tls-private-key-file", server.key, "--client-ca-file", p.authority.file(),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,PodSecurity", "--allow-privileged=false",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file", accounts.cert,
			"--service-account-signing-key-file", accounts.key, "--service-cluster-ip-range=172.20.0.0/16", "--profiling=false")
	}
	p.configs[admin] = p.authority.kubeconfig(t, p.authority.pair(t, admin, "system:masters"), p.servers)
	p.configs[deployer] = p.authority.kubeconfig(t, p.authority.pair(t, deployer, "meridian-deployers"), p.servers)
	p.makeClient()
	for _, region := range regions {
		p.await("the API server of "+region, patience, func() error {
			body, err := p.get(region, "/readyz")
			if err == nil {
				err = body.Close()
			}
			return err
		})
	}
	return p
}

// startControllers starts what makes pods of the objects of one region, and puts them on nodes.
func (p *plane) startControllers(region string) {
	p.t.Helper()
	server := map[string]string{region: p.servers[region]}
	config := func(name string, groups ...string) string {
		return p.authority.kubeconfig(p.t, p.authority.pair(p.t, name, groups...), server)
	}
	accounts := filepath.Join(p.dir, "service-accounts.key")
	p.start("kube-controller-manager", "kube-controller-manager", "--kubeconfig", config("system:kube-controller-manager"),
		"--leader-elect=false", "--secure-port=0", "--use-service-account-credentials",
		"--service-account-private-key-file", accounts, "--root-ca-file", p.authority.file())
	p.start("kube-scheduler", "kube-scheduler", "--kubeconfig", config("system:kube-scheduler"),
		"--leader-elect=false", "--secure-port=0")
}

// start starts a program, which ends with the test. What it prints is in a file of its name.
func (p *plane) start(name, program string, args ...string) {
	p.t.Helper()
	log, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(p.t.Context()), deploytest.Tool(p.t, program), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	s := server{cmd.Process, make(chan struct{})}
	p.started[name] = s
	go func() {
		_ = cmd.Wait()
		close(s.ended)
	}()
	p.t.Cleanup(func() {
		select {
		case <-s.ended:
			if p.started[name] == s { // nobody killed it
				text, _ := os.ReadFile(log.Name())
				p.t.Errorf("%s ended by itself:\n%s", name, text[max(0, len(text)-2000):])
			}
		default:
			p.kill(name)
		}
		_ = log.Close()
	})
}

// kill ends a program at once.
func (p *plane) kill(name string) {
	s := p.started[name]
	_ = s.process.Kill()
	<-s.ended
	delete(p.started, name)
}

// makeClient makes the client of what kubectl is too slow for.
func (p *plane) makeClient() {
	p.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(p.authority.cert)
	mine, err := tls.LoadX509KeyPair(filepath.Join(p.dir, admin+".crt"), filepath.Join(p.dir, admin+".key"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS13}}}
	p.t.Cleanup(p.client.CloseIdleConnections)
}

// get returns the body of what the API server of a region answers.
func (p *plane) get(region, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.servers[region]+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, errors.New(resp.Status)
	}
	return resp.Body, nil
}

// await asks again and again until there is no error, and fails the test if there is one after so long.
func (p *plane) await(what string, long time.Duration, ask func() error) {
	p.t.Helper()
	deadline := time.After(long)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			p.t.Fatalf("%s: after %s: %v", what, long, err)
		case <-tick.C:
		}
	}
}

// sh runs a script as somebody. Its programs are those of stubs, and then kubectl and what the machine has.
func (p *plane) sh(ctx context.Context, who, dir, script string, environ ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.configs[who], "HOME="+p.dir,
		"PATH="+p.stubs+":"+filepath.Dir(deploytest.Tool(p.t, "kubectl"))+":"+os.Getenv("PATH"))
	cmd.Env = append(cmd.Env, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// kubectl runs kubectl as somebody in the context of a region, and returns what it printed.
func (p *plane) kubectl(who, region, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(p.t.Context(), deploytest.Tool(p.t, "kubectl"), append([]string{"--context", region}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.configs[who], "HOME="+p.dir)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// must runs kubectl as the administrator, and fails the test if it fails.
func (p *plane) must(region, stdin string, args ...string) string {
	p.t.Helper()
	out, err := p.kubectl(admin, region, stdin, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// read decodes what `kubectl get` finds.
func (p *plane) read(region string, into any, args ...string) {
	p.t.Helper()
	text := p.must(region, "", append([]string{"get", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		p.t.Fatal(err)
	}
}

// freeAddress returns an address of loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Nodes of the check: as many as deploy-to-kubernetes.md says, three a zone, as terraform's larger size has them.
const nodesPerZone = 3

// startNodes makes the nodes of a region. Each zone's are played by a process of their own, so that a zone can be lost.
func (p *plane) startNodes(region string, zones []string) {
	p.t.Helper()
	p.configs["kwok"] = p.authority.kubeconfig(p.t, p.authority.pair(p.t, "kwok", "system:masters"), map[string]string{region: p.servers[region]})
	var list []any
	for i, zone := range zones {
		for n := range nodesPerZone {
			name := fmt.Sprintf("%s-%d", zone, n+1)
			list = append(list, map[string]any{
				"apiVersion": "v1", "kind": "Node",
				"metadata": map[string]any{"name": name, "labels": map[string]string{
					"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64",
					"node.kubernetes.io/instance-type": "m7g.2xlarge", "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone,
				}},
				// Eight processors, less what the node and the daemons of the system take.
				"status": map[string]any{"allocatable": allocatable, "capacity": allocatable},
			})
		}
		p.startZone(zone, i)
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": list})
	if err != nil {
		p.t.Fatal(err)
	}
	p.must(region, string(text), "create", "-f", "-")
}

var allocatable = map[string]string{"cpu": "7600m", "memory": "29Gi", "pods": "58", "ephemeral-storage": "17Gi"}

func (p *plane) startZone(zone string, i int) {
	p.t.Helper()
	stages, err := filepath.Abs("testdata/stages.yaml")
	if err != nil {
		p.t.Fatal(err)
	}
	p.start("kwok "+zone, "kwok", "--config", stages, "--kubeconfig", p.configs["kwok"],
		"--manage-nodes-with-label-selector", "topology.kubernetes.io/zone="+zone, "--node-lease-duration-seconds=40",
		"--node-ip", "10.2."+strconv.Itoa(i)+".1", "--cidr", "10.2."+strconv.Itoa(i)+".0/24", "--node-port=0")
}
