package sandbox_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/payment/sandbox"
)

func at() time.Time { return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC) }

func open(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	o.Clock = at
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

const order = `{"order_id":"ord_1","amount_minor":500,"currency":"USD"}`

// call returns the status and the body, or 0 when the answer was lost.
func call(t *testing.T, s *sandbox.Sandbox, method, path, key, body string) (status int, answer string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			status, answer = 0, ""
		}
	}()
	s.Handler().ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestAPI(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Options{})
	const captured = `{"id":"cap_1_1","amount_minor":500,"at":"2026-05-04T03:02:01Z"}`
	view := func(state, captures string) string {
		return `{"id":"pay_1","order_id":"ord_1","state":"` + state + `","ref":"sbx_1","amount_minor":500,"currency":"USD","captures":[` + captures + `]}`
	}
	second := strings.Replace(captured, "cap_1_1", "cap_1_2", 1)
	for i, step := range []struct {
		method, path, key, body string
		status                  int
		want                    string
	}{
		{"GET", "/v1/payments/pay_1", "", "", 404, `{"error":"no such payment"}`},
		{"POST", "/v1/payments/pay_1/authorize", "", order, 400, `{"error":"send an Idempotency-Key header"}`},
		{"POST", "/v1/payments/pay_1/authorize", "k", `{}`, 400, `{"error":"the body is a JSON object with order_id, amount_minor and currency"}`},
		{"POST", "/v1/payments/pay_1/capture", "c", "", 409, `{"error":"the payment's state does not allow it: capture of a payment that is \"\""}`},
		{"POST", "/v1/payments/pay_1/authorize", "k", order, 200, view("authorized", "")},
		{"POST", "/v1/payments/pay_1/authorize", "k", order, 200, view("authorized", "")},
		{"POST", "/v1/payments/pay_1/authorize", "other", order, 409, `{"error":"the payment's state does not allow it: authorize of a payment that is \"authorized\""}`},
		{"POST", "/v1/payments/pay_1/capture", "c", "", 200, view("captured", captured)},
		{"POST", "/v1/payments/pay_1/capture", "c", "", 200, view("captured", captured)},
		{"POST", "/v1/payments/pay_1/void", "v", "", 409, `{"error":"the payment's state does not allow it: void of a payment that is \"captured\""}`},
		{"POST", "/v1/payments/pay_1/capture", "fresh", "", 200, view("captured", captured+","+second)},
		{"GET", "/v1/payments/pay_1", "", "", 200, view("captured", captured+","+second)},
		{"GET", "/sandbox/payments", "", "", 200, "[" + view("captured", captured+","+second) + "]"},
		{"POST", "/v1/payments/pay_1/give", "r", "", 404, "404 page not found"},
	} {
		status, answer := call(t, s, step.method, step.path, step.key, step.body)
		if diff := cmp.Diff(step.want, answer); diff != "" || status != step.status {
			t.Errorf("step %d, %s %s: status %d, want %d\n%s", i, step.method, step.path, status, step.status, diff)
		}
	}
}

func TestJournalSurvivesACrash(t *testing.T) {
	t.Parallel()
	o := sandbox.Options{Journal: filepath.Join(t.TempDir(), "journal.jsonl"), Seed: 7, DeclinePercent: 50}
	s := open(t, o)
	for i := range 8 {
		call(t, s, "POST", fmt.Sprintf("/v1/payments/pay_%d/authorize", i), "a", order)
		call(t, s, "POST", fmt.Sprintf("/v1/payments/pay_%d/capture", i), "c", "")
	}
	want := s.Payments()
	file, err := os.OpenFile(o.Journal, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"op":"capture","id":"pay_1","ke`); err != nil { // half a line
		t.Fatal(err)
	}
	_ = file.Close()
	s = open(t, o) // the first one was not closed, as after kill -9
	if diff := cmp.Diff(want, s.Payments()); diff != "" {
		t.Error(diff)
	}
	call(t, s, "POST", "/v1/payments/pay_1/capture", "c", "") // known key: nothing happens
	call(t, s, "POST", "/v1/payments/pay_9/authorize", "a", order)
	want = s.Payments()
	if len(want) != 9 {
		t.Errorf("%d payments", len(want))
	}
	if diff := cmp.Diff(want, open(t, o).Payments()); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(o.Journal, []byte("{}\nrubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.New(o); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a journal with rubbish: %v", err)
	}
}

func TestChanceIsSeeded(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (outcome string, declined, lost int) {
		s := open(t, sandbox.Options{Seed: seed, DeclinePercent: 30, LostPercent: 20})
		for i := range 1000 {
			status, answer := call(t, s, "POST", fmt.Sprintf("/v1/payments/pay_%d/authorize", i), "a", order)
			if status == 0 {
				lost++
				status, answer = call(t, s, "POST", fmt.Sprintf("/v1/payments/pay_%d/authorize", i), "a", order)
				outcome += "lost,"
			}
			if status != 200 && (status != 402 || !strings.Contains(answer, `"declined"`)) {
				t.Fatalf("payment %d: status %d", i, status)
			}
			if strings.Contains(answer, `"declined"`) {
				declined++
				outcome += fmt.Sprint(i, ",")
			}
		}
		return outcome, declined, lost
	}
	first, declined, lost := run(1)
	if declined < 250 || declined > 350 || lost < 150 || lost > 250 {
		t.Errorf("%d of 1000 declined, %d lost; want about 300 and 200", declined, lost)
	}
	if again, _, _ := run(1); again != first {
		t.Error("the same seed had another outcome")
	}
	if other, _, _ := run(2); other == first {
		t.Error("another seed had the same outcome")
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, bad := range []sandbox.Options{{DeclinePercent: -1}, {DeclinePercent: 101}, {LostPercent: 101}, {LostPercent: -1}, {Latency: -1}} {
		if _, err := sandbox.New(bad); !errors.Is(err, sandbox.ErrOptions) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := sandbox.New(sandbox.Options{Journal: filepath.Join(t.TempDir(), "no", "such", "folder")}); err == nil {
		t.Error("a journal in no folder was accepted")
	}
}

// Refunds are never above what was taken, one for each key, and a restart forgets none.
func TestRefunds(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "journal")
	s := open(t, sandbox.Options{Journal: journal})
	post := func(operation, key, body string, want int) {
		t.Helper()
		if status, answer := call(t, s, http.MethodPost, "/v1/payments/pay_1/"+operation, key, body); status != want {
			t.Errorf("%s %s %s: %d %s, want %d", operation, key, body, status, answer, want)
		}
	}
	refund := func(minor int) string { return fmt.Sprintf(`{"amount_minor":%d,"currency":"USD"}`, minor) }
	post("authorize", "a", order, http.StatusOK)
	post("refund", "r", refund(1), http.StatusConflict)
	post("capture", "c", "", http.StatusOK)
	post("refund", "r", refund(0), http.StatusBadRequest)
	post("refund", "r", refund(501), http.StatusPaymentRequired)
	post("refund", "r", refund(499), http.StatusOK)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, sandbox.Options{Journal: journal})
	post("refund", "r", refund(499), http.StatusOK)
	post("refund", "s", refund(2), http.StatusPaymentRequired)
	post("refund", "s", `{"amount_minor":1,"currency":"EUR"}`, http.StatusPaymentRequired)
	want := []sandbox.Refund{{Key: "r", AmountMinor: 499, At: at()}}
	if diff := cmp.Diff(want, s.Payments()[0].Refunds); diff != "" {
		t.Error(diff)
	}
}
