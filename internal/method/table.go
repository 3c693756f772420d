package method

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	methodv1 "github.com/meridian-commerce/meridian/api/gen/meridian/method/v1"
)

// keySet is the plain path that every stack serves beside its RPCs: the keys that verify access tokens (RFC 8615).
const keySet = "/.well-known/jwks.json"

// Linked returns the table of Meridian's services that the running program links in.
func Linked() (*Table, error) {
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(f.Package()), rpcPrefix[1:]) {
			files = append(files, f)
		}
		return true
	})
	return NewTable(files...)
}

// NewTable makes the table of the services of protobuf files. The error names every method that does not say of
// itself what it has to, or says what this program does not know.
func NewTable(files ...protoreflect.FileDescriptor) (*Table, error) {
	t := &Table{rpcs: map[string]Method{}}
	faults := []error{t.add(keySet, Method{Locality: Global, Class: Browse, ReadOnly: true, Idempotent: true})}
	for _, f := range files {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				if err := t.read(methods.Get(j)); err != nil {
					faults = append(faults, err)
				}
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

// pattern is a plain path: segments of which one in braces is any.
var pattern = regexp.MustCompile(`^(/([^/{}]+|\{[a-z_]+\}))+$`)

// add adds a row for a plain path. No path has two rows: which of them counted would be chance.
func (t *Table) add(path string, m Method) error {
	added := plain{segments: strings.Split(path, "/")[1:], method: m}
	added.method.Name = path
	switch {
	case !pattern.MatchString(path) || strings.HasPrefix(path, rpcPrefix):
		return fmt.Errorf("method: %s: GET %q is no pattern of a path beside the RPCs'", m.Name, path)
	case slices.ContainsFunc(t.plain, added.overlaps):
		return fmt.Errorf("method: %s: GET %s is served by another method too", m.Name, path)
	}
	t.plain = append(t.plain, added)
	return nil
}

// overlaps reports whether a path can match both.
func (p *plain) overlaps(other plain) bool {
	return slices.EqualFunc(p.segments, other.segments, func(a, b string) bool { return a == b || a[0] == '{' || b[0] == '{' })
}

// read adds the rows of one RPC.
func (t *Table) read(d protoreflect.MethodDescriptor) error {
	m := Method{
		Name:        fmt.Sprintf("/%s/%s", d.Parent().FullName(), d.Name()),
		Module:      moduleOf(d.ParentFile().Package()),
		Stream:      d.IsStreamingServer() || d.IsStreamingClient(),
		ClientSends: d.IsStreamingClient(),
	}
	options, ok := d.Options().(*descriptorpb.MethodOptions)
	if !ok {
		return fmt.Errorf("method: %s has no options", m.Name)
	}
	if locality, _ := proto.GetExtension(options, methodv1.E_Locality).(methodv1.Locality); locality == methodv1.Locality_LOCALITY_ADMIN {
		return nil // no edge routes it
	}
	if err := m.describe(options); err != nil {
		return fmt.Errorf("method: %s: %w", m.Name, err)
	}
	t.rpcs[m.Name] = m
	if path, _ := proto.GetExtension(options, methodv1.E_Get).(string); path != "" {
		if !m.ReadOnly {
			return fmt.Errorf("method: %s is served by GET %s, but not without side effects", m.Name, path)
		}
		return t.add(path, m)
	}
	return nil
}

// describe fills in what the options say.
func (m *Method) describe(o *descriptorpb.MethodOptions) error {
	return errors.Join(m.place(o), m.rank(o), m.repeat(o), m.admit(o))
}

// unsaid is the error of an option that is left out, or has a value that this program does not know.
func unsaid(option string, value fmt.Stringer, unspecified bool) error {
	if unspecified {
		return fmt.Errorf("it does not say its %s: add option (meridian.method.v1.%s)", option, option)
	}
	return fmt.Errorf("this program does not know the %s %v", option, value)
}

func (m *Method) place(o *descriptorpb.MethodOptions) error {
	switch v, _ := proto.GetExtension(o, methodv1.E_Locality).(methodv1.Locality); v {
	case methodv1.Locality_LOCALITY_GLOBAL:
		m.Locality = Global
	case methodv1.Locality_LOCALITY_HOME:
		m.Locality = Home
	case methodv1.Locality_LOCALITY_CALLER:
		m.Locality = Caller
	case methodv1.Locality_LOCALITY_UNSPECIFIED, methodv1.Locality_LOCALITY_ADMIN:
		return unsaid("locality", v, true)
	default:
		return unsaid("locality", v, false)
	}
	return nil
}

func (m *Method) rank(o *descriptorpb.MethodOptions) error {
	switch v, _ := proto.GetExtension(o, methodv1.E_Criticality).(methodv1.Criticality); v {
	case methodv1.Criticality_CRITICALITY_CHECKOUT:
		m.Class = Checkout
	case methodv1.Criticality_CRITICALITY_CART:
		m.Class = Cart
	case methodv1.Criticality_CRITICALITY_BROWSE:
		m.Class = Browse
	case methodv1.Criticality_CRITICALITY_BACKGROUND:
		m.Class = Background
	default:
		return unsaid("criticality", v, v == methodv1.Criticality_CRITICALITY_UNSPECIFIED)
	}
	switch v, _ := proto.GetExtension(o, methodv1.E_Throttle).(methodv1.Throttle); v {
	case methodv1.Throttle_THROTTLE_UNSPECIFIED:
		m.Throttle = Unthrottled
	case methodv1.Throttle_THROTTLE_SIGN_IN:
		m.Throttle = SignIn
	case methodv1.Throttle_THROTTLE_PLACE_ORDER:
		m.Throttle = PlaceOrder
	default:
		return unsaid("throttle", v, false)
	}
	return nil
}

// repeat reads whether the method may be repeated. Protobuf's own option says so of those that are idempotent by
// nature; the others say what a key does for them, since silence would leave retries to a guess.
func (m *Method) repeat(o *descriptorpb.MethodOptions) error {
	key, _ := proto.GetExtension(o, methodv1.E_IdempotencyKey).(methodv1.IdempotencyKey)
	switch o.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		m.ReadOnly = true
		m.Idempotent = true
		return nil
	case descriptorpb.MethodOptions_IDEMPOTENT:
		m.Idempotent = true
		return nil
	case descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN:
	}
	switch key {
	case methodv1.IdempotencyKey_IDEMPOTENCY_KEY_IGNORED:
	case methodv1.IdempotencyKey_IDEMPOTENCY_KEY_REQUIRED:
		m.Keyed = true
	default:
		return unsaid("idempotency_key", key, key == methodv1.IdempotencyKey_IDEMPOTENCY_KEY_UNSPECIFIED)
	}
	return nil
}

func (m *Method) admit(o *descriptorpb.MethodOptions) error {
	m.Roles, _ = proto.GetExtension(o, methodv1.E_Roles).([]string)
	switch v, _ := proto.GetExtension(o, methodv1.E_Authentication).(methodv1.Authentication); v {
	case methodv1.Authentication_AUTHENTICATION_NONE:
		if len(m.Roles) > 0 {
			return errors.New("it names roles, but lets anyone call")
		}
	case methodv1.Authentication_AUTHENTICATION_USER:
		m.Authenticated = true
	default:
		return unsaid("authentication", v, v == methodv1.Authentication_AUTHENTICATION_UNSPECIFIED)
	}
	return nil
}

// moduleOf returns the module that serves a protobuf package's services: order for meridian.order.v1.
func moduleOf(pkg protoreflect.FullName) string {
	_, rest, _ := strings.Cut(string(pkg), ".")
	module, _, _ := strings.Cut(rest, ".")
	return module
}
