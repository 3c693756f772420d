//go:build !plant

package plant_test

import (
	"testing"

	"github.com/meridian-commerce/meridian/internal/plant"
)

func TestNothingIsActive(t *testing.T) {
	t.Setenv(plant.Env, plant.DoubleCapture)
	for _, name := range plant.Names() {
		if plant.Active(name) || plant.Bites(name, 1) || plant.First(name) {
			t.Errorf("%s is active in a build without the tag", name)
		}
	}
	if err := plant.Check(); err != nil || plant.Enabled {
		t.Errorf("Check: %v, Enabled: %v", err, plant.Enabled)
	}
}
