package edge

import (
	"net/http"
	"strings"

	"github.com/meridian-commerce/meridian/regions"
)

// headerReplay is how a stack that did nothing with a request says which region should serve it instead:
// Meridian-Replay: region=<name>.
const headerReplay = "Meridian-Replay"

// replay returns an instance of the region that a stack says a request belongs to: once for each request, when
// its whole body is at hand, and only where the decision lets it go.
func (e *Edge) replay(x *exchange, res *http.Response, o outcome) (target, bool) {
	if res == nil || o == outcomeCanceled || x.replayed || x.body.rest != nil {
		return target{}, false
	}
	to, ok := strings.CutPrefix(res.Header.Get(headerReplay), "region=")
	if !ok || to == string(x.region) {
		return target{}, false
	}
	t, ok := e.next(x, regions.Name(to))
	x.replayed = ok
	return t, ok
}
