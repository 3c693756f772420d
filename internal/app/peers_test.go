package app_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/app"
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

// certificates makes an authority and both certificates, and returns where.
func certificates(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	if err := credentials.Generate(dir, time.Now(), time.Hour, func(string) {}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// as returns a client by those settings, nil for none.
func as(t *testing.T, secure *tls.Config, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: secure, Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func edgeOf(t *testing.T, dir string) *tls.Config {
	t.Helper()
	i, err := credentials.Open(credentialstest.InFolder(dir, "edge"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return i.Edge()
}

// A stack with a certificate answers edges over both protocols, and nobody else; its admin port stays as it is.
func TestStackOverMutualTLS(t *testing.T) {
	t.Parallel()
	api, admin := nettest.Address(t), nettest.Address(t)
	dir, other := certificates(t), certificates(t)
	files := credentialstest.InFolder(dir, "stack")
	c := configure(t, "--database.url="+sqltest.URL(t), "--listen="+api, "--admin_listen="+admin, "--target=catalog",
		"--tls.cert_file="+files.Cert, "--tls.key_file="+files.Key, "--tls.client_ca_file="+files.Authority)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.RunStack(ctx, c) }()
	await(t, "http://"+admin+"/readyz", http.StatusOK)

	for _, http2 := range []bool{false, true} {
		res, err := as(t, edgeOf(t, dir), http2).Get("https://" + api + discovery.ReadyPath)
		if err != nil {
			t.Errorf("an edge, HTTP/2 %v: %v", http2, err)
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || (res.ProtoMajor == 2) != http2 {
			t.Errorf("an edge, HTTP/2 %v: %s by %s", http2, res.Status, res.Proto)
		}
	}
	none := edgeOf(t, dir)
	none.GetClientCertificate = nil
	for name, secure := range map[string]*tls.Config{"without a certificate": none, "an edge of others": edgeOf(t, other)} {
		if res, err := as(t, secure, false).Get("https://" + api + discovery.ReadyPath); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res, err := http.Get("http://" + api + discovery.ReadyPath); err == nil {
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("in clear text: %s", res.Status)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	nowhere := "--database.url=postgres://nobody@" + nettest.Address(t) + "/none"
	listen, admin := "--listen="+nettest.Address(t), "--admin_listen="+nettest.Address(t)
	for name, tc := range map[string]struct {
		run  func(context.Context) error
		says string
	}{
		"a stack": {func(ctx context.Context) error {
			return app.RunStack(ctx, configure(t, nowhere, "--target=catalog", listen, admin, "--tls.cert_file=none.pem"))
		}, "tls.cert_file"},
		"an edge": {func(ctx context.Context) error {
			return app.RunEdge(ctx, configure(t, listen, admin, "--edge.upstream_tls.cert_file=none.pem"))
		}, "edge.upstream_tls"},
		"an edge that agrees to nothing": {func(ctx context.Context) error {
			return app.RunEdge(ctx, configure(t, listen, admin, "--edge.acme.domains=shop.example.com"))
		}, "edge.acme.agree"},
		"an edge with two sources": {func(ctx context.Context) error {
			return app.RunEdge(ctx, configure(t, listen, admin, "--edge.acme.domains=shop.example.com", "--edge.tls_cert_file=c.pem"))
		}, "exclude each other"},
	} {
		err := tc.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.says) || fault.Reason(err) != "CONFIG_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
