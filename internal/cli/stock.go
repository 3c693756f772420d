package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
	"github.com/meridian-commerce/meridian/regions"
)

func stockCommand() *cobra.Command {
	parent := &cobra.Command{
		Use: "stock", Short: "Look at what regions have in stock, and change it by hand",
		Long: "Look at what regions have in stock, and change it by hand.\n\nUnits on hand can be ordered. Those that are reserved are ordered and not yet handed over: they lie on the shelf with those on " +
			"hand, and no\ncommand takes them. A variant is named by its id, or by a SKU that is that of no other one.\n\n" +
			"Each change is a line of a journal, and is done once for each --key, however often the command is repeated with it. " +
			"Variants that\nare sold without counting their units are refused.",
	}
	parent.AddCommand(stockListCommand(),
		changeCommand(&cobra.Command{Use: "receive SKU", Short: "Add units that came in"}, stock.Receive,
			"how many came in"),
		changeCommand(&cobra.Command{Use: "adjust SKU", Short: "Add units, or take them off, for a reason"}, stock.Adjust,
			"how many more there are; below 0: fewer"),
		changeCommand(&cobra.Command{
			Use: "count SKU", Short: "Set the units to what was counted",
			Long: "Set the units to what was counted on the shelf, which are those on hand and those that are reserved. What is reserved stays so:\n" +
				"the units on hand become what was counted less those. Fewer than are reserved are refused; cancel orders first.",
		}, stock.Count, "how many lie on the shelf"),
		changeCommand(&cobra.Command{
			Use: "transfer SKU", Short: "Move units on hand from one region to another",
			Long: "Move units on hand from one region to another, in one transaction: at no moment are they in both, or in neither.",
		}, stock.Transfer, "how many"),
	)
	return parent
}

func stockListCommand() *cobra.Command {
	var f stockFlags
	var lines int
	cmd := configured(&cobra.Command{
		Use: "list SKU", Short: "Print what each region has of a variant, and the last lines of its journal", Args: oneArgument,
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		if lines < 0 {
			return misused(cmd, "--lines is 0 or more")
		}
		return withDatabase(cmd.Context(), c, func(db *sqldb.DB, set *regions.Set) error {
			v, err := f.variant(cmd.Context(), db, set, args[0])
			if err != nil {
				return err
			}
			o, err := stock.Keeper{Store: stocksql.New(db, set), Regions: set}.Overview(cmd.Context(), v.ID, lines)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), overviewOf(v, o))
			}
			return printOverview(cmd.OutOrStdout(), v, o)
		})
	})
	f.add(cmd)
	cmd.Flags().IntVar(&lines, "lines", 10, "of the journal")
	return cmd
}

// changeCommand makes the command of a kind of change, of which units says what its number is.
func changeCommand(c *cobra.Command, kind stock.Kind, units string) *cobra.Command {
	var f stockFlags
	var region, to, reason, key, by string
	var n int64
	c.Args = oneArgument
	cmd := configured(c, func(cmd *cobra.Command, args []string, c config.Config) error {
		for _, name := range []string{"in", "from", "to", "units", "reason"} {
			if flag := cmd.Flags().Lookup(name); flag != nil && !flag.Changed {
				return misused(cmd, "--"+name+" is missing")
			}
		}
		key := keyOr(cmd, key)
		return withDatabase(cmd.Context(), c, func(db *sqldb.DB, set *regions.Set) error {
			v, err := f.variant(cmd.Context(), db, set, args[0])
			if err != nil {
				return err
			}
			done, err := stock.Keeper{Store: stocksql.New(db, set), Regions: set}.Change(cmd.Context(), stock.Request{
				Kind: kind, Variant: v.ID, Region: regions.Name(region), To: regions.Name(to), Units: n, Reason: stock.Reason(reason), Key: key, By: cmp.Or(by, operator()),
			})
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), doneOf(v, done))
			}
			return printDone(cmd.OutOrStdout(), done)
		})
	})
	f.add(cmd)
	flags := cmd.Flags()
	if kind == stock.Transfer {
		flags.StringVar(&region, "from", "", "region that gives the units")
		flags.StringVar(&to, "to", "", "region that gets them")
	} else {
		flags.StringVar(&region, "in", "", "region where they are")
	}
	flags.Int64Var(&n, "units", 0, units)
	if kind == stock.Adjust {
		flags.StringVar(&reason, "reason", "", "damaged or lost, which take off; found or returned, which add; or correction")
	}
	flags.StringVar(&key, "key", "", "what tells this change from others, such as a delivery note's number; default: a new one, which is printed")
	flags.StringVar(&by, "by", "", "who makes the change; default: the user who runs the command")
	return cmd
}

// stockFlags are those of every command.
type stockFlags struct{ id, json bool }

func (f *stockFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.id, "id", false, "SKU is a variant's id, whichever others have it for a SKU")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

// variant returns the one that a command's argument names.
func (f *stockFlags) variant(ctx context.Context, db *sqldb.DB, set *regions.Set, name string) (catalog.Named, error) {
	return catalog.VariantNamed(ctx, catalogsql.New(db, set, clock.System()), name, f.id)
}

// misused says how a command was misused.
func misused(cmd *cobra.Command, text string) error {
	return fmt.Errorf("%w: %s; see %s --help", errUsage, text, cmd.CommandPath())
}

// operator is who runs this program.
func operator() string {
	u, err := user.Current()
	if err != nil || strings.TrimSpace(u.Username) == "" {
		return fmt.Sprint("user ", os.Getuid()) // an image without a list of users
	}
	return u.Username
}
