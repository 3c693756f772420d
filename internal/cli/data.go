package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/catalog/productfile"
	"github.com/meridian-commerce/meridian/internal/catalog/seed"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
)

func migrateCommand() *cobra.Command {
	return configured(&cobra.Command{
		Use: "migrate", Short: "Bring the database to the newest schema and to the regions of the regions file", Args: cobra.NoArgs,
		Long: "Bring the database to the newest schema and to the regions of the regions file. It may be run again; it needs the owner of the tables.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		if err := c.Require("database.url"); err != nil {
			return err
		}
		set, err := c.RegionSet()
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		return sqldb.Migrate(cmd.Context(), c.Database.URL, set, c.Database.AppRole, log)
	})
}

func seedCommand() *cobra.Command {
	var units int
	cmd := configured(&cobra.Command{
		Use: "seed", Short: "Load the default product catalog", Args: cobra.NoArgs,
		Long: "Load the default product catalog and allot its stock to the regions. It may be run again.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		products, err := seed.Products()
		if err != nil {
			return err
		}
		if units > 0 {
			for i := range products {
				for j := range products[i].Variants {
					products[i].Variants[j].Stock = units
				}
			}
		}
		return load(cmd, c, &list{products})
	})
	cmd.Flags().IntVar(&units, "units", 0, "units of each SKU in all regions together; 0: as the catalog says")
	return cmd
}

// list is a catalog.Source of products at hand.
type list struct{ rest []catalog.Product }

func (l *list) Next() (catalog.Product, error) {
	if len(l.rest) == 0 {
		return catalog.Product{}, io.EOF
	}
	p := l.rest[0]
	l.rest = l.rest[1:]
	return p, nil
}

func catalogCommand() *cobra.Command {
	parent := &cobra.Command{Use: "catalog", Short: "Work on the product catalog"}
	parent.AddCommand(importCommand(), exportCommand())
	return parent
}

func importCommand() *cobra.Command {
	var format, currency, encoding string
	var rates, markets map[string]string
	cmd := configured(&cobra.Command{
		Use: "import [FILE]", Short: "Load a product file of Shopify, WooCommerce or Google Merchant", Args: cobra.MaximumNArgs(1),
		Long: "Load a product file: what meridian catalog export wrote, the product export of Shopify or of WooCommerce (CSV), or a product feed of Google Merchant (text, RSS or Atom); without FILE, standard input. Products are matched by handle, and the variants of each by their options, else by SKU, so it may be run again. Quantities are all units there are, with those sold here: what a file has more or fewer than the one before is added or taken off.\nA bad row is reported with its line number and the good ones load; the exit code is then 1. What is assumed where a file leaves something open is said once.",
	}, func(cmd *cobra.Command, args []string, c config.Config) error {
		in, closing, err := input(cmd, args)
		if err != nil {
			return err
		}
		defer closing()
		options, err := importOptions(currency, rates, markets)
		if err != nil {
			return err
		}
		options.Encoding, options.Now = encoding, clock.System()()
		options.Note = func(said string) { fmt.Fprintln(cmd.ErrOrStderr(), said) }
		source, err := productfile.Open(in, format, options)
		if err != nil {
			return err
		}
		return load(cmd, c, source)
	})
	cmd.Flags().StringVar(&format, "format", "", "format of the file: "+strings.Join(productfile.Names(), ", ")+"; without it, as its header shows")
	cmd.Flags().StringVar(&currency, "currency", "USD", "currency of the file's prices (ISO 4217), where it does not say it itself")
	cmd.Flags().StringVar(&encoding, "encoding", "", "encoding of the file, such as windows-1252 or shift_jis; without it UTF-8, or as its byte order mark says")
	cmd.Flags().StringToStringVar(&rates, "rate", nil, "also price in these currencies, at so many units to one of the file's: EUR=0.92")
	cmd.Flags().StringToStringVar(&markets, "market", nil, "currency of a market of the file, where its name is no country's: International=EUR")
	return cmd
}

// input is the file that a command is given, or else standard input.
func input(cmd *cobra.Command, args []string) (in io.Reader, closing func(), err error) {
	if len(args) == 0 {
		return cmd.InOrStdin(), func() {}, nil
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Invalid, "FILE_UNREADABLE", "cannot read %s", args[0])
	}
	return f, func() { _ = f.Close() }, nil // only read
}

// load imports a source and prints how it goes.
func load(cmd *cobra.Command, c config.Config, from catalog.Source) error {
	db, set, err := openCatalog(cmd.Context(), c)
	if err != nil {
		return err
	}
	defer db.Close()
	return importInto(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), catalogsql.New(db, set, clock.System()), stocksql.New(db, set), from)
}

func importInto(ctx context.Context, out, errOut io.Writer, store catalog.Store, stock catalog.Allotter, from catalog.Source) error {
	ctx, session := consistency.Begin(ctx, consistency.Marks{})
	done, err := catalog.Import(ctx, store, stock, from, func(done catalog.Imported, bad error) {
		if bad != nil {
			fmt.Fprintln(errOut, bad)
			return
		}
		fmt.Fprintf(out, "%d products, %d of them new or changed, %d variants, %d bad rows\n", done.Products, done.Changed, done.Variants, done.Bad)
	})
	for _, currency := range slices.Sorted(maps.Keys(done.Kept)) {
		fmt.Fprintf(errOut, "%d variants keep an earlier price in %s, which this import does not give; --rate %[2]s=… renews it\n", done.Kept[currency], currency)
	}
	if err != nil {
		return err
	}
	if marks, wrote := session.Next(); wrote {
		fmt.Fprintf(out, "caches follow within a second; to be shown nothing older at once, send %s: %s\n", consistency.Header, marks.Token(time.Now()))
	}
	if done.Products > 0 && done.Listed == 0 {
		fmt.Fprintln(errOut, "none of the products is in lists: all are drafts, archived, unlisted or not published")
	}
	if done.Bad > 0 {
		return fault.New(fault.FailedPrecondition, "ROWS_REFUSED", "%d rows were refused; %d products were loaded", done.Bad, done.Products)
	}
	return nil
}
