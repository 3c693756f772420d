// Package promotion knows what a shop takes off, by itself or by a code that the shopper gives. It is data and arithmetic: a
// promotion becomes a rule of pricing, and the checkout room applies it to carts and orders alike.
//
//	promotions ──▶ those that run at a time, and are automatic or of a code in the cart
//	                    │ by priority, then by id
//	                    ▼
//	               rule 1 ──▶ rule 2 ──▶ …   each takes its part of what those before it left
//	                    │
//	                    ├─ goods: of all, or of given variants and tags
//	                    ├─ off: a percentage of what they still cost, or an amount, of which no more than they still cost
//	                    └─ divided among their lines by largest remainder, in proportion to what each still costs
//
// So:
//   - all promotions that apply are applied; none shuts another out;
//   - a percentage is rounded once, of the sum of its goods, to the nearest minor unit and a half in the shopper's favor
//     (money.Share): 25 % off 19.99 leaves 14.99, and 10.5 % off 25.00 leaves 22.37;
//   - what lines are given off sums to what the promotion takes off, and no line costs less than nothing;
//   - a minimum is held against the subtotal: what the goods of the cart cost before any promotion.
package promotion
