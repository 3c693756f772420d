package kafka

import "time"

// SetHandleLimit bounds the handling of a region's events in a poll, before Run.
func (c *Consumer) SetHandleLimit(d time.Duration) { c.limit = d }
