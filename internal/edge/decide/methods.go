package decide

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	localityv1 "github.com/meridian-commerce/meridian/api/gen/meridian/locality/v1"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/regions"
)

// Locality says which region should serve a request.
type Locality string

// The localities.
const (
	Global Locality = "global" // any region
	Home   Locality = "home"   // the region that keeps the user's rows
	Caller Locality = "caller" // the region that the caller's location is assigned to
)

// Method is what the edge knows of a request's method before it looks at the caller.
type Method struct {
	Name        string // the RPC's path, or the pattern of a plain HTTP path; bounded in number
	Module      string // the part of a stack that serves it, such as order; "" for what every stack serves
	Locality    Locality
	ReadOnly    bool // no side effects
	Idempotent  bool // doing it twice is as doing it once; true if ReadOnly
	Stream      bool // the answer may go on for long
	ClientSends bool // the request may go on for long
}

// Table finds the Method of a request. It never changes.
type Table struct {
	rpcs map[string]Method
}

// NewTable reads the services of protobuf files: locality and idempotency are options of their methods.
func NewTable(files ...protoreflect.FileDescriptor) (*Table, error) {
	t := &Table{rpcs: map[string]Method{}}
	for _, f := range files {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m, err := describe(methods.Get(j))
				if err != nil {
					return nil, err
				}
				t.rpcs[m.Name] = m
			}
		}
	}
	return t, nil
}

func describe(d protoreflect.MethodDescriptor) (Method, error) {
	m := Method{
		Name:   fmt.Sprintf("/%s/%s", d.Parent().FullName(), d.Name()),
		Module: moduleOf(d.ParentFile().Package()),
		Stream: d.IsStreamingServer() || d.IsStreamingClient(), ClientSends: d.IsStreamingClient(),
	}
	options, ok := d.Options().(*descriptorpb.MethodOptions)
	if !ok {
		return Method{}, fmt.Errorf("decide: %s has no method options", d.FullName())
	}
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		m.ReadOnly, m.Idempotent = true, true
	case descriptorpb.MethodOptions_IDEMPOTENT:
		m.Idempotent = true
	case descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN:
	}
	locality, _ := proto.GetExtension(options, localityv1.E_Locality).(localityv1.Locality)
	switch locality {
	case localityv1.Locality_LOCALITY_GLOBAL:
		m.Locality = Global
	case localityv1.Locality_LOCALITY_CALLER:
		m.Locality = Caller
	case localityv1.Locality_LOCALITY_HOME, localityv1.Locality_LOCALITY_UNSPECIFIED:
		m.Locality = Home
	default:
		return Method{}, fmt.Errorf("decide: %s has locality %v, which this binary does not know", d.FullName(), locality)
	}
	return m, nil
}

// moduleOf returns the module that serves a protobuf package's services: order for meridian.order.v1.
func moduleOf(pkg protoreflect.FullName) string {
	_, rest, _ := strings.Cut(string(pkg), ".")
	module, _, _ := strings.Cut(rest, ".")
	return module
}

// Names of what is no RPC.
const (
	orderEvents = "/v1/orders/{id}/events"
	otherHome   = "/{path with an id}"
	otherGlobal = "/{path}"
)

// RPC returns the method of an RPC by its path, and false when it is no RPC.
func (t *Table) RPC(path string) (Method, bool) {
	m, ok := t.rpcs[path]
	return m, ok
}

// Lookup returns the method of a request. A path that is no RPC is served at home when it names an id, and
// anywhere otherwise.
func (t *Table) Lookup(httpMethod, path string) Method {
	if m, ok := t.rpcs[path]; ok {
		return m
	}
	safe := httpMethod == http.MethodGet || httpMethod == http.MethodHead || httpMethod == http.MethodOptions
	m := Method{Name: otherGlobal, Locality: Global, ReadOnly: safe, Idempotent: safe}
	switch {
	case strings.HasPrefix(path, "/v1/orders/") && strings.HasSuffix(path, "/events"):
		m.Name, m.Module, m.Locality, m.Stream = orderEvents, "order", Home, true
	case hasID(path):
		m.Name, m.Locality = otherHome, Home
	}
	return m
}

// maxSegments of a path are looked at for an id.
const maxSegments = 16

// RegionOfPath returns the home region of the first id among a path's segments, or "" when there is none.
func RegionOfPath(c *regions.Catalog, path string) regions.Name {
	for range maxSegments {
		var segment string
		segment, path, _ = strings.Cut(path, "/")
		if code, ok := codeOf(segment); ok {
			if name, known := c.ByCode(code); known {
				return name
			}
		}
		if path == "" {
			break
		}
	}
	return ""
}

func hasID(path string) bool {
	for range maxSegments {
		var segment string
		segment, path, _ = strings.Cut(path, "/")
		if _, ok := codeOf(segment); ok {
			return true
		}
		if path == "" {
			break
		}
	}
	return false
}

// codeOf returns the region code inside a segment that is an id.
func codeOf(segment string) (regions.Code, bool) {
	const shortest, longest = 30, 40
	if len(segment) < shortest || len(segment) > longest || segment[3] != '_' {
		return "", false
	}
	_, code, err := id.Parse(segment)
	return code, err == nil
}
