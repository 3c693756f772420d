//go:build plant

package plant_test

import (
	"testing"

	"github.com/meridian-commerce/meridian/internal/plant"
)

func TestTheNamedBugIsActive(t *testing.T) {
	for _, name := range plant.Names() {
		t.Setenv(plant.Env, name)
		if err := plant.Check(); err != nil {
			t.Error(err)
		}
		for _, other := range plant.Names() {
			if plant.Active(other) != (other == name) {
				t.Errorf("with %s, Active(%s) is %v", name, other, plant.Active(other))
			}
		}
	}
	t.Setenv(plant.Env, "no-such-bug")
	if err := plant.Check(); err == nil {
		t.Error("an unknown name was accepted")
	}
}
