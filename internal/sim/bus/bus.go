// Package bus is a region's event bus on a laptop: an in-memory Kafka cluster of one broker, as a process of its
// own. What it holds is gone when it ends, and is published again.
package bus

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
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
