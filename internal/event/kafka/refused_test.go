package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/meridian-commerce/meridian/internal/event"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
)

const giftSold event.Type = "meridian.gift.sold.v1"

// refuseGifts makes a cluster answer a code to who makes the topic of gifts, whatever else is asked for.
func refuseGifts(b *kfake.Cluster, code int16) {
	b.ControlKey(kmsg.CreateTopics.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		r, ok := req.(*kmsg.CreateTopicsRequest)
		if !ok || len(r.Topics) == 0 {
			return nil, nil, false
		}
		resp := kmsg.NewPtrCreateTopicsResponse()
		resp.Version = r.Version
		for _, topic := range r.Topics {
			one := kmsg.NewCreateTopicsResponseTopic()
			if one.Topic = topic.Topic; topic.Topic == giftSold.Aggregate().Topic() {
				one.ErrorCode = code
			}
			resp.Topics = append(resp.Topics, one)
		}
		return resp, nil, true
	})
}

// refuseRecords makes a cluster answer a code to whatever is published.
func refuseRecords(b *kfake.Cluster, code int16) {
	b.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		r, ok := req.(*kmsg.ProduceRequest)
		if !ok {
			return nil, nil, false
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = r.Version
		for _, topic := range r.Topics {
			one := kmsg.NewProduceResponseTopic()
			one.Topic, one.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				refused := kmsg.NewProduceResponseTopicPartition()
				refused.Partition, refused.ErrorCode = partition.Partition, code
				one.Partitions = append(one.Partitions, refused)
			}
			resp.Topics = append(resp.Topics, one)
		}
		return resp, nil, true
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	gift, large := []event.Event{newEvent("eu-west-1", "gift", 1)}, newEvent("eu-west-1", "large", 1)
	gift[0].Type = giftSold
	large.Payload = make([]byte, 1<<20)
	unasked := func(b *kfake.Cluster, _ int16) {
		b.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			t.Error("the successor of what is too large is published")
			return nil, nil, false
		})
	}
	topic := kfake.SeedTopics(1, giftSold.Aggregate().Topic())
	for name, tc := range map[string]struct {
		of    []event.Event
		by    func(*kfake.Cluster, int16)
		error *kerr.Error
		opts  []kfake.Opt
	}{
		"no right to make a topic": {gift, refuseGifts, kerr.TopicAuthorizationFailed, nil},
		"no name of a topic":       {gift, refuseGifts, kerr.InvalidTopicException, nil},
		"no right to write":        {gift, refuseRecords, kerr.TopicAuthorizationFailed, []kfake.Opt{topic}},
		"too large for the topic":  {gift, refuseRecords, kerr.MessageTooLarge, []kfake.Opt{topic}},
		"too large for any":        {[]event.Event{large, newEvent("eu-west-1", "large", 2)}, unasked, kerr.MessageTooLarge, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := broker(t, tc.opts...)
			tc.by(b, tc.error.Code)
			p := producer(t, b.ListenAddrs())
			// Twice: nothing that was learned of a topic makes it another error.
			for refused := 0; refused < 2; {
				err := p.Publish(t.Context(), tc.of)
				switch {
				case errors.Is(err, event.ErrRefused):
					refused++
				case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrRecordTimeout):
					t.Log(err) // a slow machine's
				default:
					t.Fatalf("%v; want a refusal", err)
				}
			}
		})
	}
	if err := producer(t, []string{"127.0.0.1:1"}).Publish(t.Context(), gift); err == nil || errors.Is(err, event.ErrRefused) {
		t.Errorf("a bus that is away: %v", err)
	}
}

// A consumer with a topic that it may not use reads the others, and says so once.
func TestARefusedTopicIsNotRead(t *testing.T) {
	t.Parallel()
	b := broker(t, kfake.SeedTopics(1, event.OrderPlaced.Aggregate().Topic()))
	refuseGifts(b, kerr.TopicAuthorizationFailed.Code)
	got := make(chan event.Event, 10)
	var log lockedBuffer
	c, err := kafka.NewConsumer(kafka.Config{Brokers: b.ListenAddrs()}, wanting("g", giftSold, event.OrderPlaced),
		func(_ context.Context, e event.Event) error { got <- e; return nil }, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	for sequence := range int64(3) {
		if err := producer(t, b.ListenAddrs()).Publish(t.Context(), []event.Event{newEvent("eu-west-1", "ord", sequence+1)}); err != nil {
			t.Fatal(err)
		}
		if e := receive(t, got); e.AggregateID != "ord" {
			t.Errorf("got %+v", e)
		}
	}
	if n := strings.Count(log.String(), "create topic meridian.gifts: TOPIC_AUTHORIZATION_FAILED"); n != 1 {
		t.Errorf("the refused topic is named %d times:\n%s", n, log.String())
	}
}

// lockedBuffer is a buffer that is safe for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
