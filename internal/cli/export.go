package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/catalog/productfile"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/stock/stocksql"
)

func exportCommand() *cobra.Command {
	var currency string
	cmd := configured(&cobra.Command{
		Use: "export", Short: "Write the product catalog as meridian catalog import reads it", Args: cobra.NoArgs,
		Long: "Write the product catalog to standard output as meridian catalog import reads it: every product that has variants, also drafts and unlisted ones, with the prices in every currency and all units there are, with those sold here. Importing it with the same --currency changes nothing. Variants that were withdrawn are left out.\nThe file is whole if the exit code is 0; one that broke off must not be imported.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		base, err := baseCurrency(currency)
		if err != nil {
			return err
		}
		db, set, err := openCatalog(cmd.Context(), c)
		if err != nil {
			return err
		}
		defer db.Close()
		return export(cmd, catalogsql.New(db, set, clock.System()), stocksql.New(db, set), base)
	})
	cmd.Flags().StringVar(&currency, "currency", "USD", "currency of Variant Price (ISO 4217); the others have columns of their own")
	return cmd
}

func export(cmd *cobra.Command, store *catalogsql.Store, stock *stocksql.Store, base money.Currency) error {
	currencies, err := store.Currencies(cmd.Context())
	if err != nil {
		return err
	}
	to, err := productfile.Create(cmd.OutOrStdout(), base, currencies)
	if err != nil {
		return err
	}
	done, err := catalog.Export(cmd.Context(), store, stock, to, func(done catalog.Exported) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d products, %d variants\n", done.Products, done.Variants)
	})
	if err == nil && done.Left > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d products are left out: no variant of theirs is sold any more\n", done.Left)
	}
	return err
}
