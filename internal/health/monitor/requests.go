package monitor

import (
	"net/http"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/health"
)

// Requests counts the requests of the API that are under way; probes and keys are not among them.
func Requests(m *health.Meter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			next.ServeHTTP(w, r)
			return
		}
		mark := m.Enter(time.Now())
		defer m.Leave(mark)
		next.ServeHTTP(w, r)
	})
}
