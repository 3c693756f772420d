package eventsql_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/eventsql"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
)

const refundMade event.Type = "meridian.refund.made.v1"

// minutePasses makes new events due that are not on the bus.
const minutePasses = `UPDATE outbox SET due_at = due_at - interval '1 min' WHERE home_region = $1 AND due_at IS NOT NULL`

func refund(name string) event.Event {
	e := newEvent(name, 1)
	e.Type = refundMade
	return e
}

// since returns the ids of what was published after n events.
func (f *fixture) since(n int) []string {
	var ids []string
	for _, e := range f.published[n:] {
		ids = append(ids, e.ID)
	}
	return ids
}

// What a bus refuses, by its topic or by its size, keeps nothing else from it.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int16{"denied": kerr.TopicAuthorizationFailed.Code, "invalid": kerr.InvalidTopicException.Code, "too large": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t)
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			refuseRefunds(cluster, code)
			producer, err := kafka.NewProducer(kafka.Config{Brokers: cluster.ListenAddrs()})
			if err != nil {
				t.Fatal(err)
			}
			defer producer.Close()
			relay, err := eventsql.NewRelay(f.db, producer, []event.Consumer{f.mail}, discard, nil)
			if err != nil {
				t.Fatal(err)
			}
			refused := refund("bad")
			if code == 0 {
				refused.Payload = make([]byte, 1<<20)
				f.append(refund("good"))
			}
			f.append(refused)
			for i := range 5 {
				f.append(newEvent(fmt.Sprint("o", i), 1))
				f.await("all but the refused one are on the bus", func() bool {
					f.exec(minutePasses, home)
					if _, err := relay.Publish(t.Context(), home); err != nil {
						t.Log(err) // a step may fail on a slow machine, and is tried again
					}
					return f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at IS NOT NULL`, home) == 1
				})
			}
			if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at > now() AND published_at IS NULL AND id = $2`, home, refused.ID); n != 1 {
				t.Error("the refused event is not kept for later")
			}
			f.lint()
		})
	}
}

// refuseRefunds makes a cluster answer a code to who makes the topic of refunds.
func refuseRefunds(cluster *kfake.Cluster, code int16) {
	cluster.ControlKey(kmsg.CreateTopics.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r, isCreate := req.(*kmsg.CreateTopicsRequest)
		if !isCreate || code == 0 || len(r.Topics) != 1 || r.Topics[0].Topic != refundMade.Aggregate().Topic() {
			return nil, nil, false
		}
		resp := kmsg.NewPtrCreateTopicsResponse()
		resp.Version = r.Version
		one := kmsg.NewCreateTopicsResponseTopic()
		one.Topic, one.ErrorCode = r.Topics[0].Topic, code
		resp.Topics = append(resp.Topics, one)
		return resp, nil, true
	})
}

func TestARefusedEventHoldsBackItsSuccessors(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.refused = []string{"evt_a_1"}
	f.append(newEvent("a", 1), newEvent("a", 2), newEvent("b", 1), newEvent("b", 2), refund("c"))
	f.step(3)
	got := f.since(0)
	f.append(newEvent("a", 3), newEvent("b", 3))
	f.step(1)
	f.step(0)
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at > now() + interval '30 s'`, home); n != 2 {
		t.Errorf("%d events wait for a minute, want the refused one and the one that came with it", n)
	}
	if diff := cmp.Diff([]string{"mail of evt_b_1", "search of evt_b_1"}, f.pending()); diff != "" {
		t.Errorf("what is not on the bus is owed: %s", diff)
	}
	f.exec(minutePasses, home)
	f.step(0)
	f.refused = nil
	f.exec(minutePasses, home)
	f.step(2)
	f.step(1)
	// Kinds have no order among them.
	if diff := cmp.Diff(map[string]bool{"evt_b_1": true, "evt_b_2": true, "evt_c_1": true}, map[string]bool{got[0]: true, got[1]: true, got[2]: true}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"evt_b_3", "evt_a_1", "evt_a_2", "evt_a_3"}, f.since(3)); diff != "" {
		t.Error(diff)
	}
	f.lint()
}

// A bus that is away is asked once for each kind of aggregate, however many events wait; what was published before stays so.
func TestAnAbsentBusIsNotAskedForEachEvent(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.down = errors.New("no bus")
	for i := range 10 {
		f.append(newEvent(fmt.Sprint("o", i), 1), refund(fmt.Sprint("r", i)))
	}
	if n, err := f.relay.Publish(t.Context(), home); n != 0 || !errors.Is(err, f.down) || f.asked != 2 {
		t.Errorf("published %d, %v; asked %d times", n, err, f.asked)
	}
	f.exec(minutePasses, home)
	f.asked = 0
	leaves := &leaving{fixture: f}
	relay, err := eventsql.NewRelay(f.db, leaves, []event.Consumer{f.mail}, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := relay.Publish(t.Context(), home); n != 2 || err != nil || f.asked != 5 {
		t.Errorf("published %d, %v; asked %d times", n, err, f.asked)
	}
	if n := f.count(`SELECT count(*) FROM outbox WHERE home_region = $1 AND due_at <= now() + interval '1 s' AND published_at IS NULL`, home); n != 18 {
		t.Errorf("%d events are due within a second, want 18", n)
	}
}

// leaving is a bus that refuses a batch, takes two events of it, and is away from then on.
type leaving struct{ *fixture }

func (l *leaving) Publish(ctx context.Context, events []event.Event) error {
	l.down = nil
	if len(l.published) == 2 {
		l.down = errors.New("no bus any more")
	} else if len(events) > 1 {
		l.refused = []string{events[0].ID, events[1].ID}
		defer func() { l.refused = nil }()
	}
	return l.fixture.Publish(ctx, events)
}
