// Package checkout says what a cart costs. It is arithmetic and nothing else: no SQL, no clock, no network. What a
// shopper is shown and what an order is placed at come from this one function, so they cannot differ.
//
//	cart: by variant ────┐
//	                     ├─▶ price ──▶ lines ──▶ rule 1 ──▶ rule 2 ──▶ … ──▶ Quote
//	offers: by variant ──┘     │          │          │          │              │
//	                           ▼          ▼          ▼          ▼              ▼
//	                      unavailable  subtotal   adjustments, each to      total
//	                                              a line or to the order
//
// Price looks up each item's offer. An item that nobody sells any more, or that has no price in the shopper's currency,
// becomes no line: it is listed as unavailable, and Orderable refuses the quote. A cart shows such a quote all the same.
//
// Rules then adjust the lines, in the order in which the shop states them: a promotion takes off what the goods cost,
// a tax is taken of what the promotions left, shipping looks at the weight of what remains. A rule sees the quote as
// the rules before it left it, and returns adjustments. It adds up nothing itself. Each adjustment carries who made
// it, what kind it is and how much, and belongs to one line or to the order as a whole:
//
//	                           amount    line total
//	line  POT-1   1 × 10.00     10.00         10.00
//	line  TEA-9   3 ×  2.50      7.50          5.00 ◀─┐
//	                           ──────                 │
//	               subtotal     17.50                 │
//	promotion/three-for-two     -2.50  of TEA-9 ──────┘
//	shipping/standard           +4.90  of the order
//	                           ──────
//	                  total     19.90
//
// Of every quote that is returned:
//   - an amount is its unit price × quantity, and the subtotal is the sum of the amounts;
//   - a line's total is its amount and the adjustments of that line;
//   - the total is the sum of the lines' totals and the adjustments of the order, and so the subtotal and all
//     adjustments: the parts sum to the whole;
//   - no line and no total is negative, and all money is in the cart's currency;
//   - the lines are by SKU, whatever order the cart and the offers came in.
//
// What cannot be so is an error: money.ErrOverflow, money.ErrMismatch, ErrNegative or ErrNoLine, to be found by
// errors.Is below the *fault.Error that callers branch on.
//
// To add a promotion, a tax or a shipping fee, write a Rule and state its place among the Rules that the program
// passes to the cart and the order room. Neither room knows that it is there.
package checkout
