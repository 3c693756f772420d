package discovery

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestConsulOverTLS: an https address is asked over TLS, and Consul's own environment variables say which authority
// and which token. It sets variables, so it does not run beside others.
func TestConsulOverTLS(t *testing.T) {
	var token string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("X-Consul-Token")
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	list := func() error {
		client, err := newConsulClient(server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = (&consulDirectory{client: client}).list(t.Context(), eu, 0)
		return err
	}
	if err := list(); err == nil {
		t.Error("a server of an unknown authority is believed")
	}
	t.Setenv("CONSUL_CACERT", authority)
	t.Setenv("CONSUL_HTTP_TOKEN", "secret")
	if err := list(); err != nil || token != "secret" {
		t.Errorf("token %q: %v", token, err)
	}
}

func TestConsulAddresses(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:8500": true, "https://consul.example:8501": true, "[::1]:8500": true,
		"consul": false, "ftp://consul:21": false, "https://consul": false, "": false,
	} {
		if _, err := newConsulClient(addr, nil); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
