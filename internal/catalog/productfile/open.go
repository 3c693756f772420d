// Package productfile opens product files of every format that there is a reader for: it finds out which one a file is of,
// by its header.
package productfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/merchant"
	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/catalog/shopify"
	"github.com/meridian-commerce/meridian/internal/catalog/woocommerce"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// format is a kind of file, and what reads it: from its beginning and then again, or once if it must.
type format struct {
	name  string
	is    sheet.Format
	twice func(in io.ReadSeeker, o sheet.Options) (catalog.Source, error)
	once  func(in io.Reader, o sheet.Options) (catalog.Source, error)
}

func formats() []format {
	return []format{
		{name: "shopify", is: shopify.Format(), once: func(in io.Reader, o sheet.Options) (catalog.Source, error) {
			return source(shopify.NewReader(in, o))
		}},
		{name: "woocommerce", is: woocommerce.Format(), twice: func(in io.ReadSeeker, o sheet.Options) (catalog.Source, error) {
			return source(woocommerce.NewReader(in, o))
		}},
		{name: feed, is: merchant.Format(), twice: func(in io.ReadSeeker, o sheet.Options) (catalog.Source, error) {
			return source(merchant.NewReader(in, o))
		}},
	}
}

// feed is the format of XML, too.
const feed = "merchant"

// source makes an interface of a reader, if there is one.
func source[R catalog.Source](r R, err error) (catalog.Source, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Names are the formats that Open knows.
func Names() (names []string) {
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

// Open returns the products of a file of a format, or of the one that its header shows when that is "". The error is a
// *fault.Error when the file is of none (it names what each lacks), when the options make no sense, or when a pipe would
// have to be read twice, and else the input's.
func Open(in io.Reader, name string, o sheet.Options) (catalog.Source, error) {
	all := formats()
	from := bufio.NewReaderSize(in, sheet.Window) // what was looked at is read again from here
	at := slices.IndexFunc(all, func(f format) bool { return f.name == name })
	switch {
	case at >= 0:
	case name != "":
		return nil, fault.New(fault.Invalid, "UNKNOWN_FILE_FORMAT", "%q is none of the formats %s", name, strings.Join(Names(), ", "))
	default:
		start, err := from.Peek(sheet.Window)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("productfile: read header: %w", err)
		}
		if at, err = detect(start, all, o.Encoding); err != nil {
			return nil, err
		}
	}
	f := all[at]
	again, err := sheet.Again(in, name == "")
	switch {
	case f.once != nil && err != nil:
		return f.once(from, o)
	case f.once != nil:
		return f.once(again, o)
	}
	if len(o.Markets) > 0 {
		return nil, fault.New(fault.Invalid, "MARKET_UNKNOWN", "the file is a %s, which has no prices of markets", f.is.Name)
	}
	if err != nil {
		return nil, err
	}
	return f.twice(again, o)
}

// detect finds the format of a file by its beginning.
func detect(start []byte, all []format, encoding string) (int, error) {
	t, err := sheet.NewText(bytes.NewReader(start), encoding)
	if err != nil {
		return 0, err
	}
	if t.IsXML() {
		return slices.IndexFunc(all, func(f format) bool { return f.name == feed }), nil
	}
	header, err := sheet.HeaderOf(t)
	if err != nil {
		return 0, err
	}
	var lacks []string
	for i, f := range all {
		missing := f.is.Missing(header)
		if len(missing) == 0 {
			return i, nil
		}
		lacks = append(lacks, fmt.Sprintf("%s: %s", f.is.Name, strings.Join(missing, ", ")))
	}
	return 0, sheet.NotAProductFile("the file's header is of no known format; it lacks these columns of each: %s", strings.Join(lacks, "; "))
}
