package admission

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// reasonOverload is what metrics call a refusal for want of room.
const reasonOverload = "overload"

// refusal is an answer that is ready before it is needed.
type refusal struct {
	err    *connect.Error
	status int
	body   []byte
	length []string
	region []string
	stream *connect.ErrorWriter
}

func newRefusals(region regions.Name) (limited, overload *refusal, err error) {
	limited, err = newRefusal(region, fault.New(fault.Exhausted, "RATE_LIMITED",
		"You send more requests than you may. Nothing was done; wait as long as Retry-After says."))
	if err != nil {
		return nil, nil, err
	}
	overload, err = newRefusal(region, fault.New(fault.Unavailable, "OVERLOADED",
		"There are more requests than can be served now. Nothing was done; wait as long as Retry-After says."))
	return limited, overload, err
}

func newRefusal(region regions.Name, cause *fault.Error) (*refusal, error) {
	r := &refusal{err: rpc.ToConnect(cause), region: []string{string(region)}, stream: connect.NewErrorWriter()}
	asked := &http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}}
	var answer recorder
	if err := r.stream.Write(&answer, asked, r.err); err != nil {
		return nil, fmt.Errorf("admission: the answer %s cannot be encoded: %w", cause.Reason, err)
	}
	r.status = answer.status
	r.body = answer.body
	r.length = []string{strconv.Itoa(len(answer.body))}
	return r, nil
}

// write answers a request in the form that its protocol expects.
func (f *refusal) write(w http.ResponseWriter, r *http.Request, after time.Duration) {
	h := w.Header()
	h["Retry-After"] = []string{strconv.FormatInt(max(1, seconds(after)), 10)}
	h["Cache-Control"] = []string{"no-store"}
	h["Meridian-Edge-Region"] = f.region
	contentType := r.Header.Get("Content-Type")
	if strings.HasPrefix(contentType, "application/grpc") || strings.HasPrefix(contentType, "application/connect+") {
		if err := f.stream.Write(w, r, f.err); err == nil {
			return
		}
	}
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = f.length
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.body) // the caller may have left
	}
}

// spread draws how long to stay away, so that those refused together do not come back together.
func spread() time.Duration { return time.Duration(1+rand.IntN(3)) * time.Second }

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}
