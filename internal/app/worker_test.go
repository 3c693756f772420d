package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/regions"
)

// What a relay that cannot publish says: it is behind in what it holds, and nothing else is.
func TestRelayProgress(t *testing.T) {
	t.Parallel()
	errAway := errors.New("the bus is away")
	var p relayProgress
	if _, behind := p.behind(time.Now()); behind != 0 {
		t.Errorf("an instance that relays nothing is %v behind", behind)
	}
	outcomes := map[string]struct {
		n    int
		err  error
		good bool
	}{"idle": {0, nil, true}, "some": {7, nil, true}, "full batches": {100, nil, false}, "the bus is away": {0, errAway, false}}
	got, want := map[string]bool{}, map[string]bool{}
	for name, o := range outcomes {
		var p relayProgress
		step := p.watched(func(context.Context, regions.Name) (int, error) { return o.n, o.err })
		p.Step(time.Now().Add(-time.Hour), "eu-west-1", true)
		if n, err := step(t.Context(), "eu-west-1"); n != o.n || !errors.Is(err, o.err) {
			t.Errorf("%s: the step returns %d, %v", name, n, err)
		}
		_, behind := p.Behind(time.Now(), []regions.Name{"eu-west-1"})
		got[name], want[name] = behind < time.Minute, o.good
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("caught up (-want +got)\n%s", diff)
	}
}
