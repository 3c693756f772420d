package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The configurations: each as a plain reverse proxy with TLS in front and kept-alive HTTP/1.1 behind, without an
// access log. {role} stands for a port.
const (
	upstreamConfig = `worker_processes auto;
pid {dir}/upstream.pid;
error_log {dir}/upstream-error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  default_type application/json;
  server {
    listen {upstream};
    listen {direct} ssl http2;
    ssl_certificate {dir}/cert.pem;
    ssl_certificate_key {dir}/key.pem;
    location / { return 200 '{body}'; }
  }
}
`

	nginxConfig = `worker_processes auto;
pid {dir}/nginx.pid;
error_log {dir}/nginx-error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  upstream stack { server {upstream}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen {nginx} ssl http2;
    ssl_certificate {dir}/cert.pem;
    ssl_certificate_key {dir}/key.pem;
    location / {
      proxy_pass http://stack;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`

	haproxyConfig = `global
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend front
  bind {haproxy} ssl crt {dir}/both.pem alpn h2,http/1.1
  default_backend stack
backend stack
  server one {upstream}
`

	caddyConfig = `{
  admin off
  auto_https off
}
https://{caddy} {
  tls {dir}/cert.pem {dir}/key.pem
  reverse_proxy {upstream} {
    transport http {
      keepalive_idle_conns_per_host 512
    }
  }
}
`

	edgeConfig = `region: ` + region + `
instance: bench
listen: {edge}
admin_listen: {admin}
log: {level: info}
auth: {keys_file: {dir}/auth.json}
edge:
  consul: {` + region + `: "{consul}"}
  tls_cert_file: {dir}/cert.pem
  tls_key_file: {dir}/key.pem
# One address and one user send everything here, so their limits are counted but out of reach.
admission: {user_rate: 10000000, address_rate: 10000000}
`
)

// configs returns the configurations by file.
func configs() map[string]string {
	return map[string]string{
		"upstream.conf": upstreamConfig,
		"nginx.conf":    nginxConfig,
		"haproxy.cfg":   haproxyConfig,
		"Caddyfile":     caddyConfig,
		"edge.yaml":     edgeConfig,
	}
}

// body is what the upstream answers: a product's page of about 1 KiB.
func body() string {
	return `{"product":{"handle":"mug","title":"Enamel mug","description":"` + strings.Repeat("A mug that lasts. ", 50) + `"}}`
}

func (b *bench) writeConfigs() error {
	words := []string{"{dir}", b.dir, "{body}", body()}
	for role, addr := range b.ports {
		words = append(words, "{"+role+"}", addr)
	}
	fill := strings.NewReplacer(words...)
	var err error
	for name, text := range configs() {
		err = errors.Join(err, os.WriteFile(filepath.Join(b.dir, name), []byte(fill.Replace(text)), 0o600))
	}
	return err
}

// writeCertificate makes the certificate that all servers use.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), secret, 0o600),
		os.WriteFile(filepath.Join(dir, "both.pem"), append(cert, secret...), 0o600),
	)
}
