// Package discovery keeps a view of the stack instances of every region, and registers them and edges.
//
//	each region's Consul ──blocking query──▶ membership ─┐
//	   │ does not answer                      ▲          │
//	   ├──▶ the local Consul's federated view ┘          │
//	   └──▶ who was known last                           ├──▶ View ──publish──▶ Snapshot, read without a lock
//	every instance ◀──probe every 200 ms──▶ health ──────┤
//	requests that came to nothing ──▶ outliers, trials ──┤
//	operators' drains and weights (local Consul) ────────┤
//	round trips between regions (coordinates, smoothed) ─┘
//
// Membership and health come by different ways on purpose: losing a control plane is not losing a region, and a region
// that does not answer is lost whatever its control plane says. So an instance that Consul forgot stays while it answers
// probes, and one that Consul lists is used only once it did.
//
// A View changes under one mutex and publishes an immutable Snapshot after each change; the path of a request reads the
// newest by one atomic load. What operators said last counts on while Consul is away: a drain ends by itself.
package discovery
