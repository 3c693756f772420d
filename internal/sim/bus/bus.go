// Package bus is a region's event bus on a laptop: an in-memory Kafka cluster of one broker, as a process of its
// own. What it holds is gone when it ends, and is published again.
package bus

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Run serves Kafka's protocol at addr until ctx ends.
func Run(ctx context.Context, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("bus: address: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("bus: port: %w", err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(number), kfake.ClusterID("meridian-"+addr),
		kfake.AllowAutoTopicCreation(), // who uses it makes the topics; this is for a look at it by hand
		// The cluster asks for a port of 127.0.0.1, and advertises what it is given.
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			var config net.ListenConfig
			return config.Listen(ctx, network, addr)
		}),
	)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	defer cluster.Close()
	<-ctx.Done()
	return nil
}

// Event is what the bus keeps of an event.
type Event struct {
	Aggregate, Type string
	Payload         []byte
}

// Read reads all that the bus at addr has of a topic into events, by id.
func Read(ctx context.Context, addr, topic string, events map[string]Event) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	defer client.Close()
	left, err := ends(ctx, client, topic)
	if err != nil {
		return fmt.Errorf("bus: read %s at %s: %w", topic, addr, err)
	}
	from := map[int32]kgo.Offset{}
	for partition := range left {
		from[partition] = kgo.NewOffset().AtStart()
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("bus: read %s at %s: %w", topic, addr, err)
		}
		for _, r := range fetches.Records() {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			events[headers["ce_id"]] = Event{string(r.Key), headers["ce_type"], r.Value}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	return nil
}

// ends returns where the partitions of a topic end that hold anything.
func ends(ctx context.Context, client *kgo.Client, topic string) (map[int32]int64, error) {
	about := kmsg.NewMetadataRequestTopic()
	about.Topic = &topic
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Topics = append(metadata.Topics, about)
	found, err := metadata.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	list := kmsg.NewPtrListOffsetsRequest()
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	for _, p := range found.Topics[0].Partitions {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = p.Partition, -1 // the end
		asked.Partitions = append(asked.Partitions, one)
	}
	list.Topics = append(list.Topics, asked)
	out := map[int32]int64{}
	if len(asked.Partitions) == 0 { // nothing was published yet
		return out, nil
	}
	listed, err := list.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	for _, p := range listed.Topics[0].Partitions {
		if p.Offset > 0 {
			out[p.Partition] = p.Offset
		}
	}
	return out, nil
}
