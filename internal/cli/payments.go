package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

// listLimit bounds how many payments of a region are listed.
const listLimit = 1000

func paymentsCommand() *cobra.Command {
	parent := &cobra.Command{
		Use: "payments", Short: "List open payments, refund captured ones, and say how a stuck one ended",
		Long: "List open payments, refund captured ones, and say how a stuck one ended.\n\nA payment is stuck once the provider has left its step without an end for " + payment.StuckAfter.String() +
			". It is still asked\nabout every half a minute: what the provider knows again by then settles it.",
	}
	var stuck bool
	list := configured(&cobra.Command{
		Use: "list", Short: "List open payments of all regions, the oldest of each first, and refunds", Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		return withDatabase(cmd.Context(), c, func(db *sqldb.DB, set *regions.Set) error {
			s := paymentsql.New(db)
			if err := listPayments(cmd, s, set, stuck); err != nil {
				return err
			}
			return listRefunds(cmd, s, set, stuck)
		})
	})
	list.Flags().BoolVar(&stuck, "stuck", false, "only those that are stuck")
	var as, reason string
	resolve := configured(&cobra.Command{
		Use: "resolve ID", Short: "End a stuck payment or refund as it ended at the provider", Args: oneArgument,
		Long: "End a stuck payment as it ended at the provider, with what follows for its order:\n\n" +
			"  captured   the provider took the money: the order is fulfilled, and the ledger has the sale\n" +
			"  voided     it took none, and holds none: the order is canceled\n" +
			"  disputed   nobody can say: the order is canceled, and the money is settled elsewhere\n\n" +
			"Give a hold up at the provider first, so that nothing can be taken afterwards. Repeating the command changes nothing.\n\n" +
			"A refund ends as refunded, or as declined: then its amount can be refunded again.",
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		return withDatabase(cmd.Context(), c, func(db *sqldb.DB, set *regions.Set) error {
			if strings.HasPrefix(args[0], string(id.Refund)+"_") {
				r, err := payment.Refunder{Store: paymentsql.New(db), Regions: set}.Resolve(cmd.Context(), args[0], payment.RefundState(as), reason)
				if err == nil {
					showRefund(cmd, r)
				}
				return err
			}
			r := payment.Resolver{Store: paymentsql.New(db), Orders: ordersql.New(db), Regions: set}
			p, err := r.Resolve(cmd.Context(), args[0], payment.State(as), reason)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "payment %s of order %s is %s\n", p.ID, p.OrderID, p.State)
			}
			return err
		})
	})
	resolve.Flags().StringVar(&as, "as", "", "captured, voided or disputed; of a refund refunded or declined")
	resolve.Flags().StringVar(&reason, "reason", "", "how that is known; kept with the payment")
	parent.AddCommand(list, resolve, refundCommand())
	return parent
}

func listPayments(cmd *cobra.Command, s payment.Store, set *regions.Set, stuck bool) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "payment\torder\tstate\tamount\tattempts\tsince\tstuck")
	for _, n := range set.Names() {
		found, err := s.List(cmd.Context(), n, stuck, listLimit)
		if err != nil {
			return err
		}
		for _, l := range found {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%s\t%t\n", l.ID, l.OrderID, l.State, l.Amount, l.Attempts, l.Since.UTC().Format(time.RFC3339), l.Stuck)
		}
		if len(found) == listLimit {
			fmt.Fprintf(out, "there are more of %s\n", n)
		}
	}
	return out.Flush()
}
