package drill

import (
	"context"
	"fmt"
	"io"

	"github.com/meridian-commerce/meridian/internal/sim/check"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// judge waits until the system has settled and checks every invariant.
func judge(ctx context.Context, w parts, h *history.History, out io.Writer) ([]check.Violation, int, error) {
	left, err := check.Settle(ctx, w.pending, out)
	if err != nil {
		return nil, 0, err
	}
	facts, err := w.facts(ctx)
	if err != nil {
		return nil, 0, err
	}
	violations := check.Run(h.Ops(), facts)
	audited, err := w.audit(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("drill: audit: %w", err)
	}
	violations = append(violations, audited...)
	violations = append(violations, check.Unsettled(left, facts)...)
	return violations, len(facts.Orders), nil
}
