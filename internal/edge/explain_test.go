package edge

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	edgev1 "github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1/edgev1connect"
)

// admin serves the site's admin port and returns its host:port.
func (s *site) admin(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(s.edge.AdminHandler())
	return serveOn(t, "127.0.0.1:0", mux).Addr
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, us, "us/0", echo)
	s.add(t, eu, "eu/0", echo)
	s.add(t, eu, "eu/1", echo)
	s.lose("us/0")
	var out bytes.Buffer
	err := PrintExplanation(t.Context(), &out, s.admin(t), &edgev1.ExplainRequest{
		Ip: "127.0.0.1", Path: place, Token: "home:us-east-1", Headers: map[string]string{"cf-ipcountry": "US", "X-Forwarded-For": "203.0.113.5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `client   203.0.113.5
country  US
located  us-east-1 (home_claim)
1. us-east-1            home      unhealthy 0/1 instances    70.0 ms
2. eu-west-1            failover  healthy   2/2 instances     0.0 ms
3. ap-southeast-1       failover  unhealthy 0/0 instances   175.0 ms
  /meridian.order.v1.OrderService/PlaceOrder is served at the user's home (HOME); it may change something and is not repeated without an Idempotency-Key.
  The caller is 203.0.113.5 in US (CF-IPCountry).
  The caller is located in us-east-1, by home_claim.
  It belongs to us-east-1: home in the access token.
  1. us-east-1 (home): 0 of 1 instances healthy, 70ms from this edge in eu-west-1: no healthy instance.
  2. eu-west-1 (failover): 2 of 2 instances healthy, 0s from this edge in eu-west-1: serves (health 100, share 100 %).
  3. ap-southeast-1 (failover): 0 of 0 instances healthy, 175ms from this edge in eu-west-1: no healthy instance.
  It is sent to eu-west-1, route failover.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestExplainAgreesWithServing asks for an explanation and sends the same request.
func TestExplainAgreesWithServing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(t, us, "us/0", echo)
	s.add(t, ap, "ap/0", echo)
	client := edgev1connect.NewRouteServiceClient(http.DefaultClient, "http://"+s.admin(t))
	for _, path := range []string{place, product, signUp, setItem, "/", "/v1/orders/x/events"} {
		for _, headers := range []map[string]string{
			{}, {"CF-IPCountry": "JP"}, {"Authorization": "Bearer home:ap-southeast-1"}, {"Meridian-Prefer-Region": "us-east-1"}, {"Meridian-Region": "ap-southeast-1"},
		} {
			told, err := client.Explain(t.Context(), &edgev1.ExplainRequest{Path: path, Headers: headers})
			if err != nil {
				t.Fatal(err)
			}
			var flat []string
			for name, value := range headers {
				flat = append(flat, name, value)
			}
			got := s.send(t, http.MethodPost, path, "{}", flat...)
			last := told.GetSteps()[len(told.GetSteps())-1]
			if want := fmt.Sprintf("It is sent to %s, route %s.", got.Get("Meridian-Served-Region"), got.Get("Meridian-Route")); last != want {
				t.Errorf("%s %v: %q, but %q", path, headers, last, want)
			}
		}
	}
}

func TestExplainRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	addr := s.admin(t)
	client := edgev1connect.NewRouteServiceClient(http.DefaultClient, "http://"+addr)
	many := map[string]string{}
	for i := range maxExplainHeaders + 1 {
		many[fmt.Sprintf("H%d", i)] = "x"
	}
	for _, req := range []*edgev1.ExplainRequest{{Ip: "here"}, {Headers: many}} {
		if _, err := client.Explain(t.Context(), req); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("got %v", err)
		}
	}
	res, err := client.Explain(t.Context(), &edgev1.ExplainRequest{Token: "forged", Headers: map[string]string{"Meridian-Region": "mars-1"}})
	if err != nil {
		t.Fatal(err)
	}
	if steps := strings.Join(res.GetSteps(), "\n"); !strings.Contains(steps, "signature does not match") || !strings.Contains(steps, "answered 400") {
		t.Errorf("got %s", steps)
	}
	if err := PrintExplanation(t.Context(), &bytes.Buffer{}, "127.200.9.9:1", &edgev1.ExplainRequest{}); err == nil || !strings.Contains(err.Error(), "no edge answers") {
		t.Errorf("no edge: %v", err)
	}
}
