package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/meridian-commerce/meridian/internal/event"
)

const partitions = 12 // of a topic: as many instances can share a group's work

// topics makes sure that topics are there. It is safe for concurrent use.
type topics struct {
	client *kgo.Client
	link   *link

	mu   sync.Mutex
	seen map[string]bool
}

func newTopics(client *kgo.Client, l *link) *topics {
	return &topics{client: client, link: l, seen: map[string]bool{}}
}

// ensure creates those of the topics that were not seen before. The error wraps event.ErrRefused if the bus refuses some: from
// then on they are seen like the others, which can be used, since they may be there all the same.
func (t *topics) ensure(ctx context.Context, names []string) error {
	// The lock is held while the brokers are asked: who needs the topics has to wait for the answer anyway.
	t.mu.Lock()
	defer t.mu.Unlock()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(adminTime.Milliseconds())
	for _, name := range names {
		if t.seen[name] {
			continue
		}
		one := kmsg.NewCreateTopicsRequestTopic()
		one.Topic, one.NumPartitions, one.ReplicationFactor = name, partitions, -1 // the brokers' default
		req.Topics = append(req.Topics, one)
	}
	if len(req.Topics) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	resp, err := req.RequestWith(ctx, t.client)
	if err != nil {
		return fmt.Errorf("kafka: create topics: %w", t.link.explain(err))
	}
	var failed error
	for _, made := range resp.Topics {
		err := kerr.ErrorForCode(made.ErrorCode)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			err = refusal(fmt.Errorf("kafka: create topic %s: %w", made.Topic, err))
			failed = errors.Join(failed, err)
		}
		t.seen[made.Topic] = err == nil || isOne(err, kerr.TopicAlreadyExists, event.ErrRefused)
	}
	return failed
}

// forget makes the client take topics up anew: by itself it sticks to the first ones that it saw.
func (t *topics) forget(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.seen)
	t.client.PurgeTopicsFromClient(names...)
}

// gone reports whether err says that a topic or the group is not there, or that the topic is another one by the
// same name, as after the bus lost its data.
func gone(err error) bool {
	return isOne(err, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.GroupIDNotFound)
}

// refusal makes err wrap event.ErrRefused, if it says that the bus will not take a topic or a record for what it is.
func refusal(err error) error {
	if isOne(err, kerr.TopicAuthorizationFailed, kerr.InvalidTopicException, kerr.PolicyViolation, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord) {
		return fmt.Errorf("%w: %w", event.ErrRefused, err)
	}
	return err
}

func isOne(err error, of ...error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
}
