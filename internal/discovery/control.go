package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/meridian-commerce/meridian/regions"
)

// Keys in Consul's key-value store, each followed by a region's name. Every datacenter has a store of its own,
// and an edge reads its local one.
const (
	drainPrefix  = "meridian/drain/"  // a Drain as JSON
	weightPrefix = "meridian/weight/" // percent of its share that the region may have, 0 to 100
)

// Bounds of a drain: it ends by itself, so that it cannot be forgotten.
const (
	MinDrain = time.Minute
	MaxDrain = 72 * time.Hour
)

// Drain is an operator's word that a region gets no new requests for a while.
type Drain struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Control is what operators say about a region. The zero value has no drain.
type Control struct {
	Drain  Drain
	Weight int // percent
}

// Drained reports whether the region is drained.
func (c Control) Drained(now time.Time) bool { return now.Before(c.Drain.Until) }

// controls reads what operators say. index is as of a directory's list.
type controls interface {
	// read returns what is said of each region, and the keys whose values make no sense.
	read(ctx context.Context, index uint64) (said map[regions.Name]Control, bad []string, next uint64, err error)
	roundTrips(ctx context.Context) (map[Pair]time.Duration, error)
}

// consulControls asks the local Consul agent.
type consulControls struct{ client *api.Client }

// parseControls reads entries, by key. Entries that make no sense are left out and named: whatever the store
// holds, the rest of it counts.
func parseControls(entries map[string][]byte) (out map[regions.Name]Control, bad []string) {
	out = map[regions.Name]Control{}
	for key, value := range entries {
		prefix, name := path.Split(key)
		c := controlOf(out, regions.Name(name))
		var err error
		switch prefix {
		case drainPrefix:
			c.Drain, err = parseDrain(value)
		case weightPrefix:
			c.Weight, err = parseWeight(value)
		default:
			continue
		}
		if err != nil {
			bad = append(bad, key)
			continue
		}
		out[regions.Name(name)] = c
	}
	return out, bad
}

func parseWeight(value []byte) (int, error) {
	weight, err := strconv.ParseUint(strings.TrimSpace(string(value)), 10, 8)
	if err == nil && weight > 100 {
		err = strconv.ErrRange
	}
	return int(weight), err
}

// parseDrain reads a drain. One that is longer than allowed ends when it should have.
func parseDrain(value []byte) (Drain, error) {
	var d Drain
	if err := json.Unmarshal(value, &d); err != nil {
		return Drain{}, fmt.Errorf("discovery: read drain: %w", err)
	}
	if d.Since.IsZero() || !d.Until.After(d.Since) {
		return Drain{}, fmt.Errorf("discovery: a drain is from %s until %s", d.Since, d.Until)
	}
	if longest := d.Since.Add(MaxDrain); d.Until.After(longest) {
		d.Until = longest
	}
	return d, nil
}

func (c *consulControls) read(ctx context.Context, index uint64) (map[regions.Name]Control, []string, uint64, error) {
	q, cancel := blocking(ctx, "", index)
	defer cancel()
	return readControls(c.client, q)
}

// readControls reads what a Consul was told, and returns the index of that.
func readControls(client *api.Client, q *api.QueryOptions) (map[regions.Name]Control, []string, uint64, error) {
	pairs, meta, err := client.KV().List("meridian/", q)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("discovery: read what operators say: %w", err)
	}
	entries := make(map[string][]byte, len(pairs))
	for _, p := range pairs {
		entries[p.Key] = p.Value
	}
	said, bad := parseControls(entries)
	return said, bad, meta.LastIndex, nil
}

// watchControls follows what operators say until ctx is done. When Consul does not answer, what they said last
// counts on: a drain ends by itself.
func (v *View) watchControls(ctx context.Context) {
	follow(ctx, func(index uint64) (uint64, error) {
		said, bad, next, err := v.local.read(ctx, index)
		if err != nil {
			return 0, err
		}
		if len(bad) > 0 && next != index {
			v.log.Warn("what operators say of some regions makes no sense and does not count", slog.Any("keys", bad))
		}
		v.setControls(said)
		return next, nil
	})
}

// setControls takes in what operators say.
func (v *View) setControls(said map[regions.Name]Control) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for _, n := range v.regions.Names() {
		after := controlOf(said, n)
		if after == controlOf(v.control, n) {
			continue
		}
		v.log.Warn("operators changed a region", slog.String("region", string(n)), slog.Bool("drained", after.Drained(now)),
			slog.Time("until", after.Drain.Until), slog.String("reason", after.Drain.Reason), slog.Int("weight", after.Weight))
	}
	v.control = said
	v.publish()
}

// controlOf returns what operators say of a region.
func controlOf(said map[regions.Name]Control, n regions.Name) Control {
	if c, ok := said[n]; ok {
		return c
	}
	return Control{Weight: 100}
}
