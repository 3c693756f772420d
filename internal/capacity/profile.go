package capacity

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// ProfileVersion is the schema version of profiles that this package reads.
const ProfileVersion = "1"

// Request names a kind of request in a profile.
type Request string

// The kinds of requests.
const (
	ListProducts   Request = "list_products"
	GetProduct     Request = "get_product"
	SearchProducts Request = "search_products"
	GetCart        Request = "get_cart"
	SetItem        Request = "set_item"
	PlaceOrder     Request = "place_order"
	GetOrder       Request = "get_order"
	WatchOrder     Request = "watch_order"
	SignIn         Request = "sign_in"
	SignUp         Request = "sign_up"
)

// Requests returns every kind of request, in the order in which they are measured and printed.
func Requests() []Request {
	return []Request{SignUp, SignIn, ListProducts, GetProduct, SearchProducts, GetCart, SetItem, PlaceOrder, GetOrder, WatchOrder}
}

// Profile is what requests, orders and instances cost, as one run of `meridian-sim bench` measured it.
type Profile struct {
	SchemaVersion string               `json:"schema_version"`
	Date          string               `json:"date"` // of the run, YYYY-MM-DD
	Commit        string               `json:"commit"`
	Command       string               `json:"command"` // repeats the run
	Machine       Machine              `json:"machine"`
	Model         string               `json:"model"` // what the requests were measured on
	Requests      map[Request]Cost     `json:"requests"`
	Order         OrderSize            `json:"order"`
	Cache         map[string]CacheSize `json:"cache"` // by the prefix of the keys
	Stack         Instance             `json:"stack"`
	Edge          Instance             `json:"edge"`
	Journeys      []Journey            `json:"journeys"` // of the load generator
	Check         Check                `json:"check"`
}

// Machine is where a profile was measured.
type Machine struct {
	Processor string  `json:"processor"`
	CPUs      int     `json:"cpus"`
	System    string  `json:"system"` // GOOS/GOARCH
	Go        string  `json:"go"`
	Load      float64 `json:"load_average"` // over the minute before the run
}

// Cost is what one request costs, everything included that follows from it after the answer. Processor time is
// beyond what an idle instance uses.
type Cost struct {
	Measured     int     `json:"measured"` // requests
	EdgeMicros   float64 `json:"edge_us"`
	StackMicros  float64 `json:"stack_us"`
	RedisMicros  float64 `json:"redis_us"`
	Transactions float64 `json:"transactions"` // that the database committed; a lone statement is one
	Writing      float64 `json:"writing"`      // of these, the ones that changed or locked a row
	RowsWritten  float64 `json:"rows_written"` // inserted, updated or deleted
	Bytes        float64 `json:"answer_bytes"` // as they left the edge, headers included
}

// OrderSize is what an order leaves behind.
type OrderSize struct {
	Measured   int         `json:"measured"`    // orders
	Lines      float64     `json:"lines"`       // of an order
	Events     float64     `json:"events"`      // on the bus
	EventBytes float64     `json:"event_bytes"` // of one
	Tables     []TableSize `json:"tables"`
}

// TableSize is what an order leaves in one table.
type TableSize struct {
	Name       string  `json:"name"`
	Rows       float64 `json:"rows"`
	Bytes      float64 `json:"bytes"`       // of the rows
	IndexBytes float64 `json:"index_bytes"` // of secondary indexes
	KeptDays   int     `json:"kept_days"`   // until the sweeper deletes them; 0: for good
}

// CacheSize is what the keys of a prefix take in Redis.
type CacheSize struct {
	Keys        int     `json:"keys"`
	BytesPerKey float64 `json:"bytes_per_key"` // all that Redis allocates for it
}

// Instance is what a process costs beside its requests.
type Instance struct {
	IdleMillis  float64 `json:"idle_ms_per_s"` // processor time in a second without requests
	MemoryBytes int64   `json:"memory_bytes"`  // the most that it had resident during the run
}

// Journey is what callers of one kind do.
type Journey struct {
	Name     string              `json:"name"`
	Weight   float64             `json:"weight"`
	Requests map[Request]float64 `json:"requests"` // on average
}

// Check compares what the costs above say about a mixed load with what the processes used under one.
type Check struct {
	Requests       int     `json:"requests"`
	Seconds        float64 `json:"seconds"`
	EdgePredicted  float64 `json:"edge_predicted_s"` // processor time, idle time included
	EdgeMeasured   float64 `json:"edge_measured_s"`
	StackPredicted float64 `json:"stack_predicted_s"`
	StackMeasured  float64 `json:"stack_measured_s"`
}

//go:embed measured.json
var measured []byte

// DefaultProfile returns the profile that ships in the binary. A test proves that it reads.
func DefaultProfile() Profile {
	p, err := ReadProfile(strings.NewReader(string(measured)))
	if err != nil {
		panic("capacity: the embedded profile is broken: " + err.Error())
	}
	return p
}

// ReadProfile reads a profile. Its error is fault.Invalid PROFILE_INVALID and says what is wrong.
func ReadProfile(r io.Reader) (Profile, error) {
	var p Profile
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fault.Wrap(err, fault.Invalid, "PROFILE_INVALID", "the profile is not one that `meridian-sim bench` wrote")
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	return p, nil
}

// Validate says what a profile lacks for planning. Its error is fault.Invalid PROFILE_INVALID.
func (p Profile) Validate() error {
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "PROFILE_INVALID", "the profile %s", fmt.Sprintf(format, args...))
	}
	if p.SchemaVersion != ProfileVersion {
		return invalid("has schema version %q; this program reads %q", p.SchemaVersion, ProfileVersion)
	}
	for _, r := range Requests() {
		c, ok := p.Requests[r]
		if !ok || c.Measured <= 0 || c.EdgeMicros <= 0 || c.StackMicros <= 0 {
			return invalid("has no cost of %s", r)
		}
		if c.RedisMicros < 0 || c.Transactions < 0 || c.Writing < 0 || c.RowsWritten < 0 || c.Bytes < 0 {
			return invalid("has a negative cost of %s", r)
		}
	}
	if p.Order.Measured <= 0 || len(p.Order.Tables) == 0 || p.Cache["product"].Keys <= 0 {
		return invalid("does not say how large orders and cache entries are")
	}
	if p.Stack.MemoryBytes <= 0 || p.Edge.MemoryBytes <= 0 {
		return invalid("does not say how much memory the processes took")
	}
	return p.validateJourneys(invalid)
}

func (p Profile) validateJourneys(invalid func(string, ...any) error) error {
	total := 0.0
	orders := 0.0
	for _, j := range p.Journeys {
		for _, r := range slices.Sorted(maps.Keys(j.Requests)) {
			if _, ok := p.Requests[r]; !ok || j.Requests[r] < 0 {
				return invalid("has a journey %q that makes %v requests %s", j.Name, j.Requests[r], r)
			}
		}
		if j.Weight < 0 {
			return invalid("has a journey %q of weight %v", j.Name, j.Weight)
		}
		total += j.Weight
		orders += j.Weight * j.Requests[PlaceOrder]
	}
	if total <= 0 || orders <= 0 {
		return invalid("has no journey that orders")
	}
	return nil
}
