package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/payment/paymentsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

func refundCommand() *cobra.Command {
	var amount, reason, key string
	c := configured(&cobra.Command{
		Use: "refund ORDER", Short: "Give captured money of an order back, in full or in part", Args: oneArgument,
		Long: "Give captured money of an order back, in full or in part.\n\n" +
			"The refund is recorded here and made by the payment worker. With a key of yours the command may be repeated: it makes one\n" +
			"refund, and shows what became of it. Refunds are never more than what was captured; a declined one can be asked for again,\n" +
			"with another key.",
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		key := keyOr(cmd, key)
		return withDatabase(cmd.Context(), c, func(db *sqldb.DB, set *regions.Set) error {
			s := paymentsql.New(db)
			q := payment.RefundRequest{OrderID: args[0], Key: key, Reason: reason}
			if amount != "" {
				m, err := parseAmount(cmd.Context(), s, set, args[0], amount)
				if err != nil {
					return err
				}
				q.Amount = &m
			}
			r, err := payment.Refunder{Store: s, Regions: set}.Request(cmd.Context(), q)
			if err == nil {
				showRefund(cmd, r)
			}
			return err
		})
	})
	c.Flags().StringVar(&amount, "amount", "", "in the order's currency, such as 12.34; what is left, unless it is given")
	c.Flags().StringVar(&reason, "reason", "requested by the merchant", "kept with the refund")
	c.Flags().StringVar(&key, "key", "", "what a repetition of the command is known by; a new one, unless it is given")
	return c
}

// parseAmount reads an amount in the currency of an order's payment.
func parseAmount(ctx context.Context, s payment.Store, set *regions.Set, orderID, text string) (money.Money, error) {
	p, err := payment.Refunder{Store: s, Regions: set}.Of(ctx, orderID)
	if err != nil {
		return money.Money{}, err
	}
	m, err := money.Parse(text, p.Amount.Currency)
	if err != nil {
		return m, fault.Wrap(err, fault.Invalid, "REFUND_AMOUNT", "%.40q is no amount of %s", text, p.Amount.Currency)
	}
	return m, nil
}

func showRefund(cmd *cobra.Command, r payment.Refund) {
	fmt.Fprintf(cmd.OutOrStdout(), "refund %s of %s of order %s is %s (key %s)\n", r.ID, r.Amount, r.OrderID, r.State, r.Key)
}

func listRefunds(cmd *cobra.Command, s payment.Store, set *regions.Set, stuck bool) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	header := "\nrefund\torder\tstate\tamount\tattempts\tsince\tstuck\treason\tdeclined for\n" // where there are any
	for _, n := range set.Names() {
		found, err := s.ListRefunds(cmd.Context(), n, stuck, listLimit)
		if err != nil {
			return err
		}
		for _, r := range found {
			fmt.Fprintf(out, "%s%s\t%s\t%s\t%s\t%d\t%s\t%t\t%s\t%s\n", header, r.ID, r.OrderID, r.State, r.Amount, r.Attempts, r.Since.UTC().Format(time.RFC3339), r.Stuck, r.Reason, r.DeclineReason)
			header = ""
		}
		if len(found) == listLimit {
			fmt.Fprintf(out, "there are more of %s\n", n)
		}
	}
	return out.Flush()
}
