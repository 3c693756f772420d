package e2e_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/discovery"
)

// Edges and stacks that know each other by certificates serve as ever: probes, requests over the WAN, streams and
// repetitions among them. Nobody else is answered by a stack.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	if err := credentials.Generate(dir, time.Now(), time.Hour, func(string) {}); err != nil {
		t.Fatal(err)
	}
	stack, edge := credentialstest.InFolder(dir, "stack"), credentialstest.InFolder(dir, "edge")
	c := start(t, "",
		"MERIDIAN_TLS_CERT_FILE="+stack.Cert, "MERIDIAN_TLS_KEY_FILE="+stack.Key, "MERIDIAN_TLS_CLIENT_CA_FILE="+stack.Authority,
		"MERIDIAN_EDGE_UPSTREAM_TLS_CERT_FILE="+edge.Cert, "MERIDIAN_EDGE_UPSTREAM_TLS_KEY_FILE="+edge.Key,
		"MERIDIAN_EDGE_UPSTREAM_TLS_CA_FILE="+edge.Authority)
	ada := signUp(t, edgeOf(t, c.Plan(), "eu-west-1"), "IE", "ada")
	ada.await(ada.buy(sku).GetId(), orderv1.OrderState_ORDER_STATE_CONFIRMED)
	ada.edge = edgeOf(t, c.Plan(), "ap-southeast-1") // her rows are an ocean away
	ada.await(ada.buy(sku).GetId(), orderv1.OrderState_ORDER_STATE_CONFIRMED)
	if _, err := c.Kill(t.Context(), "eu-west-1/stack-1"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := ada.product(handle); err != nil {
			t.Errorf("with an instance lost: %v", err)
		}
	}
	ada.buy(sku)

	eu, _ := c.Plan().Lookup("eu-west-1")
	left := eu.Stacks[1]
	awaitStatus(t, "http://"+left.Admin+"/readyz", http.StatusOK)
	if status, body := look(t.Context(), "http://"+left.Addr+discovery.ReadyPath); status == http.StatusOK {
		t.Errorf("in clear text a stack answers %d %s", status, body)
	}
	if status, body := look(t.Context(), "https://"+left.Addr+discovery.ReadyPath); status != 0 {
		t.Errorf("without a certificate a stack answers %d %s", status, body)
	}
	identity, err := credentials.Open(edge, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: identity.Edge()}
	t.Cleanup(transport.CloseIdleConnections)
	res, err := (&http.Client{Transport: transport}).Get("https://" + left.Addr + discovery.ReadyPath)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("with an edge's certificate a stack answers %s", res.Status)
	}
}
