package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

const maxBody = 64 << 10

// Handler serves the provider's API.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, operation := range []string{"authorize", "capture", "void", "refund"} {
		mux.HandleFunc("POST /v1/payments/{id}/"+operation, func(w http.ResponseWriter, r *http.Request) { s.change(w, r, operation) })
	}
	mux.HandleFunc("GET /v1/payments/{id}", s.find)
	mux.HandleFunc("GET /sandbox/payments", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.Payments())
	})
	return mux
}

func (s *Sandbox) change(w http.ResponseWriter, r *http.Request, operation string) {
	want := record{Operation: operation, ID: r.PathValue("id"), Key: r.Header.Get("Idempotency-Key")}
	if want.Key == "" {
		refuse(w, http.StatusBadRequest, "send an Idempotency-Key header")
		return
	}
	if operation == "authorize" {
		var body struct {
			OrderID     string `json:"order_id"`
			AmountMinor int64  `json:"amount_minor"`
			Currency    string `json:"currency"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil || body.OrderID == "" || body.AmountMinor < 0 || len(body.Currency) != 3 {
			refuse(w, http.StatusBadRequest, "the body is a JSON object with order_id, amount_minor and currency")
			return
		}
		want.OrderID = body.OrderID
		want.AmountMinor = body.AmountMinor
		want.Currency = body.Currency
	}
	if operation == "refund" {
		var body struct {
			AmountMinor int64  `json:"amount_minor"`
			Currency    string `json:"currency"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil || body.AmountMinor <= 0 || len(body.Currency) != 3 {
			refuse(w, http.StatusBadRequest, "the body is a JSON object with amount_minor and currency")
			return
		}
		want.AmountMinor, want.Currency = body.AmountMinor, body.Currency
	}
	p, first, err := s.do(want)
	s.dawdle(r.Context(), want.ID, operation)
	switch {
	case errors.Is(err, errDeclined):
		p.Reason = "EXCEEDS_CAPTURE"
		answer(w, http.StatusPaymentRequired, p)
	case errors.Is(err, errConflict):
		refuse(w, http.StatusConflict, err.Error())
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case first && s.draw(want.ID, "lost/"+want.Key+"/"+operation)*100 < s.options.LostPercent:
		// The answer breaks off after its head: without one, net/http would repeat the request by itself, and nothing be lost.
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case p.State == "declined":
		answer(w, http.StatusPaymentRequired, p)
	default:
		answer(w, http.StatusOK, p)
	}
}

func (s *Sandbox) find(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.dawdle(r.Context(), id, "find")
	s.mu.Lock()
	p, ok := s.payments[id]
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "no such payment")
		return
	}
	answer(w, http.StatusOK, p)
}

// dawdle takes the time that the request shall take.
func (s *Sandbox) dawdle(ctx context.Context, id, operation string) {
	d := time.Duration((0.5 + s.draw(id, "latency/"+operation)) * float64(s.options.Latency))
	_ = clock.Sleep(ctx, d) // a caller that went away is answered all the same
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"error": message})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that went away misses its answer
}
