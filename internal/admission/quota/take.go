package quota

import (
	"context"
	"time"
)

const (
	shareEvery = 100 * time.Millisecond
	shareMost  = 256 // buckets in one round trip
)

// Take takes one request out of a bucket. It takes well under a microsecond: Redis is updated later, and only of
// buckets that are a quarter or more used, since others are far from a limit whatever other edges saw.
func (b *Buckets) Take(p *Policy, k Key) Verdict {
	now := b.now()
	var v Verdict
	var queue bool
	id := bucketID{p, k}
	b.local.with(id, func(t *bucket) {
		v = t.take(p, now)
		if b.region == nil || !v.Allowed {
			return
		}
		t.unshared++
		if queue = !t.queued && int64(v.Reset) >= p.tolerance/4; queue {
			t.queued = true
		}
	})
	if queue && !b.region.enqueue(id) {
		b.local.with(id, func(t *bucket) { t.queued = false })
	}
	return v
}

// TakeRegional takes one request out of the region's bucket, which all edges of a region share. It asks Redis,
// and costs its round trip, at most the time-out; without Redis it is as Take. Its bucket should be of a policy
// that Take is not used with.
func (b *Buckets) TakeRegional(ctx context.Context, p *Policy, k Key) Verdict {
	now := b.now()
	var v Verdict
	id := bucketID{p, k}
	b.local.with(id, func(t *bucket) { v = t.take(p, now) })
	if !v.Allowed || b.region == nil {
		return v
	}
	answers, err := b.region.ask(ctx, []charge{{id: id, requests: 1}})
	if err != nil {
		return v
	}
	return b.merge(id, answers[0])
}

func (t *bucket) take(p *Policy, now int64) Verdict {
	full, allowed := p.gcra(t.full, now, 1)
	t.full = full
	return p.verdict(full, now, allowed)
}

// merge makes a local bucket at least as empty as the region's.
func (b *Buckets) merge(id bucketID, a answer) Verdict {
	now := b.now()
	var v Verdict
	b.local.with(id, func(t *bucket) {
		t.full = max(t.full, now+a.ahead)
		v = id.policy.verdict(max(t.full, now), now, a.allowed)
	})
	return v
}

// Run shares what was taken with the region's other edges until ctx ends.
func (b *Buckets) Run(ctx context.Context) {
	if b.region == nil {
		return
	}
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.share(ctx)
		}
	}
}

// share charges the region's buckets for what was taken here. What Redis does not take is not charged again
// later: the local buckets have counted it.
func (b *Buckets) share(ctx context.Context) {
	var batch []charge
	for len(batch) < shareMost {
		id, ok := b.region.dequeue()
		if !ok {
			break
		}
		c := charge{id: id, force: true}
		b.local.with(id, func(t *bucket) {
			c.requests = t.unshared
			t.unshared = 0
			t.queued = false
		})
		if c.requests > 0 {
			batch = append(batch, c)
		}
	}
	if len(batch) == 0 {
		return
	}
	answers, err := b.region.ask(ctx, batch)
	if err != nil {
		return
	}
	for i, a := range answers {
		b.merge(batch[i].id, a)
	}
}
