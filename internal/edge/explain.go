package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"connectrpc.com/connect"

	edgev1 "github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/edge/v1/edgev1connect"
)

// maxExplainHeaders bounds the headers of one question.
const maxExplainHeaders = 64

// AdminHandler returns the path prefix and the handler of the edge's part of the admin port: the
// meridian.edge.v1.RouteService.
func (e *Edge) AdminHandler() (pattern string, h http.Handler) {
	return edgev1connect.NewRouteServiceHandler(routeService{e})
}

// routeService implements edgev1connect.RouteServiceHandler.
type routeService struct{ edge *Edge }

// Explain decides as the edge would for a request, and says why.
func (s routeService) Explain(ctx context.Context, req *edgev1.ExplainRequest) (*edgev1.ExplainResponse, error) {
	q, err := inquiryFrom(ctx, req)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if _, isRPC := s.edge.methods.RPC(q.path); isRPC {
		q.method = http.MethodPost
	}
	return s.edge.explain(q), nil
}

func inquiryFrom(ctx context.Context, req *edgev1.ExplainRequest) (inquiry, error) {
	q := inquiry{header: http.Header{}, method: http.MethodGet, path: req.GetPath(), token: req.GetToken()}
	if q.path == "" {
		q.path = "/"
	}
	if len(req.GetHeaders()) > maxExplainHeaders {
		return inquiry{}, fmt.Errorf("at most %d headers", maxExplainHeaders)
	}
	for name, value := range req.GetHeaders() {
		q.header.Add(name, value)
	}
	if q.token == "" {
		q.token = bearer(q.header)
	}
	if req.GetIp() != "" {
		addr, err := netip.ParseAddr(req.GetIp())
		if err != nil {
			return inquiry{}, fmt.Errorf("ip: %.64q is not an address", req.GetIp())
		}
		q.peer = addr
	} else if call, ok := connect.CallInfoForHandlerContext(ctx); ok {
		if peer, err := netip.ParseAddrPort(call.Peer().Addr); err == nil {
			q.peer = peer.Addr()
		}
	}
	return q, nil
}

func (e *Edge) explain(q inquiry) *edgev1.ExplainResponse {
	found := e.examine(q)
	policy, view := e.policy.Load(), e.regionView(found.request.Method.Module, time.Now())
	decision := policy.Decide(&found.request, &view)
	location := found.request.Location
	out := &edgev1.ExplainResponse{
		Country: location.Country, LocatedRegion: string(location.Region), LocationSource: string(location.Source),
	}
	if location.Client.IsValid() {
		out.ClientIp = location.Client.String()
	}
	if found.tokenErr != nil {
		out.Steps = append(out.Steps, "The token does not count: "+found.tokenErr.Error()+".")
	}
	if found.refusal != nil {
		out.Steps = append(out.Steps, fmt.Sprintf("It is answered %d: %s", found.refusal.status, found.refusal.Message))
		return out
	}
	out.Steps = append(out.Steps, policy.Explain(&found.request, &decision, &view)...)
	for _, c := range decision.Candidates() {
		out.Candidates = append(out.Candidates, &edgev1.Candidate{
			Region: string(c.Region), Route: string(c.Route), Healthy: c.Healthy > 0,
			HealthyInstances: int32(c.Healthy), TotalInstances: int32(c.Total),
			RttMs: float64(c.RTT) / float64(time.Millisecond),
		})
	}
	return out
}

// PrintExplanation asks the edge whose admin port is at host:port to explain a decision, and writes the answer
// as text.
func PrintExplanation(ctx context.Context, w io.Writer, admin string, req *edgev1.ExplainRequest) error {
	client := edgev1connect.NewRouteServiceClient(http.DefaultClient, "http://"+admin)
	res, err := client.Explain(ctx, req)
	if err != nil {
		var failure *connect.Error
		if errors.As(err, &failure) && failure.Code() == connect.CodeUnavailable {
			return fmt.Errorf("route explain: no edge answers at %s: %w", admin, err)
		}
		return fmt.Errorf("route explain: %w", err)
	}
	var text strings.Builder
	for _, line := range [...][2]string{
		{"client", res.GetClientIp()}, {"country", res.GetCountry()},
		{"located", res.GetLocatedRegion() + " (" + res.GetLocationSource() + ")"},
	} {
		if line[1] == "" {
			line[1] = "unknown"
		}
		fmt.Fprintf(&text, "%-9s%s\n", line[0], line[1])
	}
	for i, c := range res.GetCandidates() {
		health := "unhealthy"
		if c.GetHealthy() {
			health = "healthy"
		}
		fmt.Fprintf(&text, "%d. %-20s %-9s %-9s %d/%d instances %7.1f ms\n",
			i+1, c.GetRegion(), c.GetRoute(), health, c.GetHealthyInstances(), c.GetTotalInstances(), c.GetRttMs())
	}
	for _, step := range res.GetSteps() {
		text.WriteString("  " + step + "\n")
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("route explain: write: %w", err)
	}
	return nil
}
