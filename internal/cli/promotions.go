package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/regions"
)

func promotionsCommand() *cobra.Command {
	parent := &cobra.Command{
		Use: "promotions", Short: "Say what the shop takes off",
		Long: "Say what the shop takes off, by itself or by codes that shoppers give. Orders follow at once; carts show it within a minute.",
	}
	list := configured(&cobra.Command{
		Use: "list", Short: "List all promotions, by id", Args: cobra.NoArgs,
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		return withPromotions(cmd.Context(), c, func(s *promotionsql.Store) error { return listPromotions(cmd, s) })
	})
	put := configured(&cobra.Command{
		Use: "put [FILE]", Short: "Add and replace promotions by a YAML file", Args: cobra.MaximumNArgs(1),
		Long: "Add and replace promotions by a YAML file; without FILE, by standard input. All of the file is taken, or nothing. A promotion that is there is replaced as a whole, by its id; those that the file does not name stay as they are.\n\n" +
			"  - id: spring                        lower case; it stays\n" +
			"    name: Spring sale\n" +
			"    percent: 10.5                     off; or an amount, once for each order\n" +
			"    amount: {EUR: 5.00, JPY: 800}     in other currencies it does not apply\n" +
			"    code: SPRING                      that shoppers have to give; without, it is automatic\n" +
			"    tags: [tea]                       of products, or the ids of variants; without, it is of all goods\n" +
			"    variants: [BP-1]\n" +
			"    minimum: {EUR: 50.00}             that the goods of the cart have to cost\n" +
			"    from: 2026-03-01T00:00:00+01:00\n" +
			"    until: 2026-04-01T00:00:00+02:00  when it is over\n" +
			"    priority: 0                       the lowest applies first; then by id\n" +
			"    enabled: true",
	}, putPromotions)
	disable := configured(&cobra.Command{
		Use: "disable ID", Short: "End a promotion now, for orders that are not placed yet", Args: oneArgument,
		Long: "End a promotion now, for orders that are not placed yet. Repeating the command changes nothing; put enables it again.",
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		return withPromotions(cmd.Context(), c, func(s *promotionsql.Store) error { return s.Disable(cmd.Context(), args[0]) })
	})
	parent.AddCommand(list, put, disable)
	return parent
}

func withPromotions(ctx context.Context, c config.Config, do func(*promotionsql.Store) error) error {
	return withDatabase(ctx, c, func(db *sqldb.DB, _ *regions.Set) error { return do(promotionsql.New(db)) })
}

func putPromotions(cmd *cobra.Command, args []string, c config.Config) error {
	in, closing, err := input(cmd, args)
	if err != nil {
		return err
	}
	defer closing()
	all, err := promotion.Parse(in)
	if err != nil {
		return err
	}
	return withPromotions(cmd.Context(), c, func(s *promotionsql.Store) error {
		err := s.Put(cmd.Context(), all)
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%d promotions; carts follow within a minute\n", len(all))
		}
		return err
	})
}

func listPromotions(cmd *cobra.Command, s *promotionsql.Store) error {
	all, at, err := s.List(cmd.Context())
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "promotion\tcode\tpriority\toff\tgoods\tminimum\tfrom\tuntil\truns\tname")
	for _, p := range all {
		goods := strings.Join(slices.Concat(p.Tags, p.Variants), ", ")
		if goods == "" {
			goods = "all"
		}
		off := amounts(p.Amounts)
		if p.BasisPoints > 0 {
			off = strconv.FormatFloat(float64(p.BasisPoints)/100, 'f', -1, 64) + " %"
		}
		fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%t\t%s\n", p.ID, p.Code, p.Priority, off, goods, amounts(p.Minimum), instant(p.From), instant(p.Until), p.Runs(at), p.Name)
	}
	return out.Flush()
}

func amounts(all []money.Money) string {
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = m.String()
	}
	return strings.Join(texts, ", ")
}

func instant(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339)
}
