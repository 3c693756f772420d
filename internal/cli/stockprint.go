package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/stock"
	"github.com/meridian-commerce/meridian/regions"
)

// What --json prints. Its names stay.
type (
	stockOverview struct {
		Variant string        `json:"variant"`
		SKU     string        `json:"sku"`
		Product string        `json:"product"`
		Tracked bool          `json:"tracked"`
		Regions []stockLevel  `json:"regions"`
		Total   stockLevel    `json:"total"`
		Journal []stockChange `json:"journal"`
	}
	stockDone struct {
		Variant  string        `json:"variant"`
		SKU      string        `json:"sku"`
		Replayed bool          `json:"replayed"`
		Changes  []stockChange `json:"changes"`
	}
	stockLevel struct {
		Region   regions.Name `json:"region,omitempty"`
		OnHand   int64        `json:"on_hand"`
		Reserved int64        `json:"reserved"`
		Shelf    int64        `json:"shelf"`
		Sold     int64        `json:"sold"`
		Allotted int64        `json:"allotted"`
	}
	stockChange struct {
		At          time.Time    `json:"at"`
		Region      regions.Name `json:"region"`
		Kind        stock.Kind   `json:"kind"`
		Units       int64        `json:"units"`
		Before      *stockLevel  `json:"before"` // null: a former release has not kept it
		After       *stockLevel  `json:"after"`
		Reason      stock.Reason `json:"reason,omitempty"`
		OtherRegion regions.Name `json:"other_region,omitempty"`
		By          string       `json:"by,omitempty"`
		Key         string       `json:"key,omitempty"`
	}
)

func levelOf(l stock.Level) stockLevel {
	return stockLevel{l.Region, l.OnHand, l.Reserved, l.Shelf(), l.Sold, l.Allotted()}
}

func overviewOf(v catalog.Named, o stock.Overview) stockOverview {
	all := stockOverview{Variant: v.ID, SKU: v.SKU, Product: v.Handle, Tracked: stock.Tracked(o.Levels), Total: levelOf(total(o.Levels)), Journal: changesOf(o.Changes)}
	for _, l := range o.Levels {
		all.Regions = append(all.Regions, levelOf(l))
	}
	return all
}

func doneOf(v catalog.Named, d stock.Done) stockDone {
	return stockDone{Variant: v.ID, SKU: v.SKU, Replayed: d.Replayed, Changes: changesOf(d.Changes)}
}

func changesOf(changes []stock.Change) []stockChange {
	all := []stockChange{}
	for _, c := range changes {
		one := stockChange{At: c.At, Region: c.After.Region, Kind: c.Kind, Units: c.Units, Reason: c.Reason, OtherRegion: c.Other, By: c.By, Key: c.Key}
		if c.Known {
			before, after := levelOf(c.Before()), levelOf(c.After)
			one.Before, one.After = &before, &after
		}
		all = append(all, one)
	}
	return all
}

// total adds up what regions have.
func total(levels []stock.Level) (sum stock.Level) {
	for _, l := range levels {
		sum.OnHand += l.OnHand
		sum.Reserved += l.Reserved
		sum.Sold += l.Sold
	}
	return sum
}

func printJSON(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printOverview(to io.Writer, v catalog.Named, o stock.Overview) error {
	fmt.Fprintf(to, "variant %s, SKU %s, of product %s\n", v.ID, v.SKU, v.Handle)
	if v.Withdrawn {
		fmt.Fprintln(to, "It is not sold any more.")
	}
	if !stock.Tracked(o.Levels) {
		fmt.Fprintln(to, "It is sold without counting its units.")
	}
	fmt.Fprintln(to)
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "region\ton hand\treserved\ton the shelf\tsold\tin all")
	sum := total(o.Levels)
	sum.Region = "all"
	for _, l := range append(o.Levels, sum) {
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\n", l.Region, l.OnHand, l.Reserved, l.Shelf(), l.Sold, l.Allotted())
	}
	if err := out.Flush(); err != nil || len(o.Changes) == 0 {
		return err
	}
	fmt.Fprintln(to)
	return printChanges(to, o.Changes)
}

func printDone(to io.Writer, d stock.Done) error {
	if d.Replayed {
		fmt.Fprintln(to, "This was done before, and changed nothing now:")
	}
	return printChanges(to, d.Changes)
}

func printChanges(to io.Writer, changes []stock.Change) error {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "at\tregion\tchange\tunits\ton hand\treserved\twhy\tby\tkey")
	for _, c := range changes {
		onHand, reserved := "-", "-"
		if c.Known {
			onHand, reserved = fmt.Sprintf("%d -> %d", c.Before().OnHand, c.After.OnHand), fmt.Sprint(c.After.Reserved)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%+d\t%s\t%s\t%s\t%s\t%s\n", c.At.Format(time.RFC3339), c.After.Region, c.Kind, c.Units, onHand, reserved,
			cmp.Or(why(c), "-"), cmp.Or(c.By, "-"), cmp.Or(c.Key, "-"))
	}
	return out.Flush()
}

// why says what a change was for, in a word or two.
func why(c stock.Change) string {
	switch {
	case c.Kind == stock.Transfer && c.Units < 0:
		return "to " + string(c.Other)
	case c.Kind == stock.Transfer:
		return "from " + string(c.Other)
	}
	return string(c.Reason)
}
