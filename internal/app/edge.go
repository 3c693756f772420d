package app

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/config"
)

// RunEdge runs an edge until ctx ends.
func RunEdge(ctx context.Context, c config.Config) error { <-ctx.Done(); return nil }
