// Package providerhttp is the client of a payment provider that speaks the sandbox's HTTP API. A call has a
// time-out and is not repeated here: the saga does that, after it asked what became of it. (net/http may repeat a
// request on a connection that the provider had closed; the idempotency key makes that harmless.)
package providerhttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/meridian-commerce/meridian/internal/payment"
)

const (
	callLimit = 2 * time.Second
	maxAnswer = 1 << 20
)

// ErrConfig is wrapped by errors about the provider's URL.
var ErrConfig = errors.New("providerhttp: bad configuration")

var errAnswer = errors.New("providerhttp: unexpected answer")

// Client implements payment.Provider. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// New returns a Client of the provider at an http or https URL. Errors wrap ErrConfig.
func New(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%w: payment.provider_url is %q, which is no http or https URL", ErrConfig, base)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: callLimit}
	return &Client{base: u, http: &http.Client{Transport: otelhttp.NewTransport(transport), Timeout: callLimit}}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// body is the provider's view of a payment.
type body struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
	Ref    string `json:"ref"`
}

// Authorize implements payment.Provider.
func (c *Client) Authorize(ctx context.Context, charge payment.Charge, key string) payment.Outcome {
	request, err := json.Marshal(map[string]any{
		"order_id": charge.OrderID, "amount_minor": charge.Amount.Minor, "currency": charge.Amount.Currency,
	})
	if err != nil {
		return payment.Outcome{Err: err}
	}
	return c.change(ctx, charge.PaymentID, "authorize", key, request)
}

// Capture implements payment.Provider.
func (c *Client) Capture(ctx context.Context, charge payment.Charge, key string) payment.Outcome {
	return c.change(ctx, charge.PaymentID, "capture", key, nil)
}

// Void implements payment.Provider.
func (c *Client) Void(ctx context.Context, charge payment.Charge, key string) payment.Outcome {
	return c.change(ctx, charge.PaymentID, "void", key, nil)
}

// Refund implements payment.Provider.
func (c *Client) Refund(ctx context.Context, charge payment.Charge, key string) payment.Outcome {
	request, err := json.Marshal(map[string]any{"amount_minor": charge.Amount.Minor, "currency": charge.Amount.Currency})
	if err != nil {
		return payment.Outcome{Err: err}
	}
	return c.change(ctx, charge.PaymentID, "refund", key, request)
}

// Find implements payment.Provider.
func (c *Client) Find(ctx context.Context, paymentID string) (payment.Finding, error) {
	status, b, err := c.call(ctx, http.MethodGet, c.base.JoinPath("v1", "payments", paymentID), "", nil)
	switch {
	case err != nil:
		return payment.Finding{}, err
	case status == http.StatusNotFound:
		return payment.Finding{Standing: payment.StandingNone}, nil
	case status != http.StatusOK:
		return payment.Finding{}, fmt.Errorf("%w: status %d", errAnswer, status)
	}
	f := payment.Finding{Standing: payment.Standing(b.State), Ref: b.Ref, Reason: b.Reason}
	switch f.Standing {
	case payment.StandingAuthorized, payment.StandingDeclined, payment.StandingCaptured, payment.StandingVoided:
		return f, nil
	case payment.StandingNone:
	}
	return payment.Finding{}, fmt.Errorf("%w: state %q", errAnswer, b.State)
}

func (c *Client) change(ctx context.Context, paymentID, operation, key string, request []byte) payment.Outcome {
	status, b, err := c.call(ctx, http.MethodPost, c.base.JoinPath("v1", "payments", paymentID, operation), key, request)
	done := map[string]string{"authorize": "authorized", "capture": "captured", "void": "voided", "refund": "captured"}[operation]
	switch {
	case err != nil:
		return payment.Outcome{Err: err}
	// The documented refusal, whatever its body says: were it taken for unknown, the order would wait for ever.
	case status == http.StatusPaymentRequired, status == http.StatusOK && b.State == "declined":
		return payment.Outcome{Decision: payment.DeclinedByProvider, Reason: cmp.Or(b.Reason, "UNSTATED")}
	case status != http.StatusOK:
		return payment.Outcome{Err: fmt.Errorf("%w: %s: status %d", errAnswer, operation, status)}
	case b.State == done:
		return payment.Outcome{Decision: payment.Approved, Ref: b.Ref}
	}
	return payment.Outcome{Err: fmt.Errorf("%w: %s: state %q", errAnswer, operation, b.State)}
}

// call sends one request and decodes the answer of a status 200, and of 402 if it is one of ours.
func (c *Client) call(ctx context.Context, method string, to *url.URL, key string, request []byte) (int, body, error) {
	var b body
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(request))
	if err != nil {
		return 0, b, fmt.Errorf("providerhttp: %w", err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, b, fmt.Errorf("providerhttp: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPaymentRequired {
		err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&b)
		if err != nil && resp.StatusCode == http.StatusOK {
			return 0, b, fmt.Errorf("%w: %w", errAnswer, err)
		}
	}
	return resp.StatusCode, b, nil
}
