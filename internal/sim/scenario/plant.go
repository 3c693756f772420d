package scenario

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/plant"
)

// plant checks what is to be planted, and has the simulation run a product that has the bug if it is one of the product's.
func (r *Run) plant(ctx context.Context, program string) error {
	plants := r.Scenario.Plants
	if r.Plant == "" {
		return nil
	}
	if !slices.Contains(plants, r.Plant) {
		return fmt.Errorf("scenario: nothing is called %q to plant; there are %s", r.Plant, strings.Join(plants, ", "))
	}
	if !r.Scenario.ProductPlants {
		return nil
	}
	r.Options.Env = append(r.Options.Env, plant.Env+"="+r.Plant)
	if r.Options.Meridian = program; program != "" {
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("scenario: cache folder: %w", err)
	}
	r.Options.Meridian = filepath.Join(cache, "meridian", "bin", "meridian-plant")
	r.Say("building meridian with the planted bugs")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "plant", "-o", r.Options.Meridian, "github.com/meridian-commerce/meridian/cmd/meridian")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("scenario: build meridian with planted bugs, which takes the source tree (else use --planted-binary): %w\n%s", err, text)
	}
	return nil
}
