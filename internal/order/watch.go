package order

import (
	"context"

	"github.com/meridian-commerce/meridian/regions"
)

// Watch sends an order now and after each change until it is final, ctx ends or send fails. It never sends a
// version that is older than the one before. A database that does not answer for a while does not end it; changes
// in that time, or while send takes its own, arrive as one.
func (s *Service) Watch(ctx context.Context, home regions.Name, userID, orderID string, send func(Order) error) error {
	if err := s.owned(home, orderID); err != nil {
		return err
	}
	watch := s.watchers.homes[home]
	// The watcher joins before it reads, so that no change falls between what it read and what it is notified of.
	mailbox := watch.join(orderID)
	defer watch.leave(orderID, mailbox)
	o, err := s.Order(ctx, home, userID, orderID)
	if err != nil {
		return err
	}
	watch.tell(o) // it need not be read again to learn its version
	for {
		// A final order never changes again, so the watch ends instead of holding a connection.
		if err := send(o); err != nil || o.State.Final() {
			return err
		}
		if o, err = next(ctx, mailbox, o.Version); err != nil {
			return err
		}
	}
}

// next waits for a version that is later than the one that was sent. Its error is ctx's.
func next(ctx context.Context, mailbox <-chan Order, sent int64) (Order, error) {
	for {
		select {
		case o := <-mailbox:
			// What was announced while the first read was under way may be what it read.
			if o.Version > sent {
				return o, nil
			}
		case <-ctx.Done():
			return Order{}, ctx.Err()
		}
	}
}
