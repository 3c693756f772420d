package infrastructure

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Plan is what `terraform show -json` prints of a plan, as far as the checks need it.
type Plan struct {
	Changes []Change `json:"resource_changes"`
}

// Change is one resource as it will be.
type Change struct {
	Address string `json:"address"`
	Mode    string `json:"mode"` // managed or data
	Type    string `json:"type"`
	Change  struct {
		After   map[string]any `json:"after"`
		Unknown map[string]any `json:"after_unknown"`
	} `json:"change"`
}

// ReadPlan reads a plan. A plan without resources is an error: nothing could be found in it.
func ReadPlan(r io.Reader) (*Plan, error) {
	var p Plan
	if err := json.NewDecoder(r).Decode(&p); err != nil {
		return nil, fmt.Errorf("infrastructure: read plan: %w", err)
	}
	if len(p.managed()) == 0 {
		return nil, fmt.Errorf("infrastructure: read plan: it has no resources")
	}
	return &p, nil
}

// managed returns the resources that Terraform makes.
func (p *Plan) managed(types ...string) []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Mode != "managed" {
			continue
		}
		for _, t := range types {
			if t == c.Type {
				out = append(out, c)
			}
		}
		if len(types) == 0 {
			out = append(out, c)
		}
	}
	return out
}

// at returns what stands at a path of attributes and blocks, such as root_block_device.encrypted; every block of a
// list counts. An attribute that the plan does not know yet is unknown{}.
func (c Change) at(path string) []any {
	return dig(c.Change.After, c.Change.Unknown, strings.Split(path, "."))
}

type unknown struct{}

func dig(value, missing any, path []string) []any {
	if missing == true {
		return []any{unknown{}}
	}
	if list, ok := value.([]any); ok {
		var out []any
		unknowns, _ := missing.([]any)
		for i, v := range list {
			var m any
			if i < len(unknowns) {
				m = unknowns[i]
			}
			if len(path) == 0 && m == nil {
				out = append(out, v)
			} else {
				out = append(out, dig(v, m, path)...)
			}
		}
		return out
	}
	if len(path) == 0 {
		if value == nil {
			return nil
		}
		return []any{value}
	}
	fields, _ := value.(map[string]any)
	unknowns, _ := missing.(map[string]any)
	return dig(fields[path[0]], unknowns[path[0]], path[1:])
}

// text returns the first value at a path as text; "" where there is none, "unknown" where the plan does not know it.
func (c Change) text(path string) string {
	values := c.at(path)
	if len(values) == 0 {
		return ""
	}
	if _, isUnknown := values[0].(unknown); isUnknown {
		return "unknown"
	}
	return fmt.Sprint(values[0])
}

var instanceKey = regexp.MustCompile(`\[[^\]]*\]`)

// kind is the address without the keys of its instances: the same for all regions and zones.
func (c Change) kind() string { return instanceKey.ReplaceAllString(c.Address, "") }
