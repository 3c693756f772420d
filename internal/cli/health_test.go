package cli_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		body   string
		code   int
		says   string
	}{
		{"ready", http.StatusOK, `{"status":"ready","checks":{"database":{"ok":true}}}`, 0, "ready"},
		{"degraded", http.StatusOK, `{"status":"degraded","checks":{"bus":{"ok":false,"error":"no broker"}}}`, 0, "degraded; bus: no broker"},
		{"unready", http.StatusServiceUnavailable, `{"status":"unready","checks":{"cache":{"ok":true},"database":{"ok":false,"error":"no route"}}}`, 1, "503: unready; database: no route"},
		{"draining", http.StatusServiceUnavailable, `{"status":"draining"}`, 1, "draining"},
		{"something else", http.StatusNotFound, "404 page not found", 1, "no readiness report"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/readyz" {
					t.Errorf("it asks for %s", r.URL.Path)
				}
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			defer server.Close()
			code, out, errOut := run(t, "health", "--admin_listen", server.Listener.Addr().String())
			if code != tc.code || !strings.Contains(out+errOut, tc.says) {
				t.Errorf("exit %d: %s%s; want %d and %q", code, out, errOut, tc.code, tc.says)
			}
		})
	}
}

func TestHealthOfAnyAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, listen := range []string{"0.0.0.0:" + port, "[::]:" + port, ":" + port} {
		if code, _, errOut := run(t, "health", "--admin_listen", listen); code != 0 {
			t.Errorf("%s: exit %d: %s", listen, code, errOut)
		}
	}
}

func TestHealthOfNobody(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--admin_listen", "127.200.0.9:1"}, 1, "nothing answers at 127.200.0.9:1"},
		{[]string{"--admin_listen", silent.Addr().String(), "--timeout", "50ms"}, 1, "NO_ANSWER"},
		{[]string{"--admin_listen", "9090"}, 2, "is not host:port"},
		{[]string{"now"}, 2, "unknown command"},
	} {
		if code, _, errOut := run(t, append([]string{"health"}, tc.args...)...); code != tc.code || !strings.Contains(errOut, tc.says) {
			t.Errorf("%q: exit %d: %s; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
		}
	}
}
