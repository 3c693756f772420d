package kafka_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/nettest"
)

// A bus shows how far its topics have come, and that it is another one after it lost its data.
func TestPosition(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort(nettest.Address(t))
	start := func() *kfake.Cluster {
		return broker(t, kfake.Ports(int(at.Port())), kfake.SeedTopics(1, "strangers"))
	}
	cluster := start()
	p := producer(t, []string{at.String()})
	look := func() event.Position {
		t.Helper()
		found, err := p.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := look(); len(found) != 0 {
		t.Errorf("before the first event: %v", found)
	}
	publish := func(n int64) {
		t.Helper()
		for i := range n {
			for deadline := time.Now().Add(time.Minute); ; { // a bus that was just started may be asked again
				err := p.Publish(t.Context(), []event.Event{newEvent("eu-west-1", "ord", i+1)})
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
		}
	}
	publish(3)
	was := look()
	var sum int64
	for _, end := range was["meridian.orders"].Ends {
		sum += end
	}
	if len(was) != 1 || sum != 3 || len(was["meridian.orders"].Ends) != 12 {
		t.Errorf("after three events: %v", was)
	}
	publish(1)
	if now := look(); now["meridian.orders"].ID != was["meridian.orders"].ID {
		t.Errorf("it went on: %v, %v", was, now)
	} else if _, lost := was.Advance(now); lost {
		t.Errorf("it went on: %v, %v", was, now)
	}
	cluster.Close()
	if found, err := p.Position(t.Context()); err == nil {
		t.Errorf("a bus that is away: %v", found)
	}
	start()
	publish(1)
	if now := look(); now["meridian.orders"].ID == was["meridian.orders"].ID {
		t.Errorf("it lost its data: %v, %v", was, now)
	} else if _, lost := was.Advance(now); !lost {
		t.Errorf("it lost its data: %v, %v", was, now)
	}
}
