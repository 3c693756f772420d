package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/meridian-commerce/meridian/regions"
)

// State is where a rollout is, so that one that was interrupted can go on.
type State struct {
	Change     string         `json:"change"` // the command: another one is another rollout
	Regions    []regions.Name `json:"regions"`
	Done       []regions.Name `json:"done,omitempty"`
	Current    regions.Name   `json:"current,omitempty"`     // may be drained, and half changed
	Cause      string         `json:"cause,omitempty"`       // why the current one is rolled back
	RolledBack regions.Name   `json:"rolled_back,omitempty"` // which ended the rollout
}

func (s *State) isDone(n regions.Name) bool { return slices.Contains(s.Done, n) }

// Next returns the region that a rollout goes on with, "" when none is left.
func (s *State) Next() regions.Name {
	for _, n := range s.Regions {
		if !s.isDone(n) {
			return n
		}
	}
	return ""
}

// Load reads a state that SaveTo wrote. Without a file, found is false.
func Load(file string) (s State, found bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return State{}, false, fmt.Errorf("rollout: read %s: %w", file, err)
	}
	return s, true, nil
}

// SaveTo returns a function that keeps a state in a file, which is there whole or not at all.
func SaveTo(file string) func(State) error {
	return func(s State) error {
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file+".new", append(text, '\n'), 0o600); err != nil {
			return err
		}
		return os.Rename(file+".new", file)
	}
}
