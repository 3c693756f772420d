package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/sim/bus"
)

func TestPublishesAndConsumesAtItsAddress(t *testing.T) {
	t.Parallel()
	const topic = "meridian.orders"
	addr := nettest.Address(t)
	ctx := t.Context()
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- bus.Run(serving, addr) }()

	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup("test"), kgo.ConsumeTopics(topic), kgo.AllowAutoTopicCreation(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("ord_1"), Value: []byte("created")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var values []string
	for len(values) == 0 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { values = append(values, string(r.Key)+" "+string(r.Value)) })
	}
	if len(values) != 1 || values[0] != "ord_1 created" {
		t.Errorf("consumed %q", values)
	}
	events := map[string]bus.Event{}
	record := &kgo.Record{Topic: topic, Key: []byte("ord_2"), Value: []byte("paid"), Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("evt_2")}, {Key: "ce_type", Value: []byte("t")}}}
	err = client.ProduceSync(ctx, record).FirstErr()
	if err == nil {
		err = bus.Read(ctx, addr, topic, events)
	}
	if err == nil {
		err = bus.Read(ctx, addr, "meridian.refunds", events) // which nobody has published to
	}
	if got := events["evt_2"]; err != nil || len(events) != 2 || got.Aggregate != "ord_2" || got.Type != "t" || string(got.Payload) != "paid" {
		t.Errorf("read %v, %v", events, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}
