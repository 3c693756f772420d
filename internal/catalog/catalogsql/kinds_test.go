package catalogsql_test

import (
	"bufio"
	"fmt"
	"io"
)

// writePlain writes a file of so many rows, four to a product, in which nothing is special.
func writePlain(to io.Writer, rows int) error { return writeNamed(to, rows, "product", "P") }

// writeOlder writes a file of other products, in which nothing is special either.
func writeOlder(to io.Writer, rows int) error { return writeNamed(to, rows, "older", "O") }

func writeNamed(to io.Writer, rows int, handle, sku string) error {
	return writeFile(to, rows, "", func(product, variant int) kind {
		return kind{
			handle: fmt.Sprintf("%s-%06d", handle, product), sku: fmt.Sprintf("%s%06d-%d", sku, product, variant), published: "TRUE", status: "active",
			tracker: "shopify", quantity: "12", policy: "deny", position: "1",
		}
	})
}

// kind is what real files differ in.
type kind struct {
	handle, sku, published, status, tracker, quantity, policy, position string
	markets                                                             string // cells of their own columns
}

// refusedOf returns how many rows of such a file of kinds are refused.
func refusedOf(rows int) int { return rows / 4 / 12 }

// writeKinds writes a file of so many rows, each with prices in two currencies, in which every kind of product and variant that
// real files hold comes up in turn.
func writeKinds(to io.Writer, rows int) error {
	return writeFile(to, rows, ",Variant Compare At Price,Price / Canada,Included / Canada", func(product, variant int) kind {
		k := kind{
			handle: fmt.Sprintf("product-%06d", product), sku: fmt.Sprintf("K%06d-%d", product, variant), published: "TRUE", status: "active",
			tracker: "shopify", quantity: "12", policy: "deny", position: "1", markets: ",,9.99,TRUE",
		}
		switch product % 12 {
		case 0:
			k.sku = fmt.Sprintf("K%06d", product) // one SKU for all sizes
		case 1:
			k.handle = fmt.Sprintf("nhẫn-%06d", product)
		case 2:
			k.handle = fmt.Sprintf("指輪-™-%06d", product)
		case 3:
			k.status = "unlisted"
		case 4:
			k.published, k.markets = "FALSE", ",12.00,9.99," // reduced
		case 5:
			k.status, k.markets = "draft", ",,,FALSE" // not sold in Canada
		case 6:
			k.tracker, k.quantity = "", ""
		case 7:
			k.policy = "continue"
		case 8:
			k.quantity = "-3"
		case 9:
			k.quantity = "" // not known
		case 10:
			k.position = fmt.Sprint(4 - variant) // backwards
		case 11:
			k.sku = ""
			if variant == 3 {
				k.sku = fmt.Sprintf("K%06d-3", product-1) // of another product
			}
		}
		return k
	})
}

func writeFile(to io.Writer, rows int, columns string, kindOf func(product, variant int) kind) error {
	out := bufio.NewWriter(to)
	_, _ = out.WriteString("Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams," +
		"Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Image Position,Status" + columns + "\n")
	for row := range rows {
		product, variant := row/4, row%4
		k := kindOf(product, variant)
		if variant == 0 {
			_, _ = fmt.Fprintf(out, `%s,Sock %d,"<p>A sock, of wool.</p>",Kiln,Apparel > Socks,Sock,"warm, wool",%s,Size,`, k.handle, product, k.published)
		} else {
			_, _ = fmt.Fprintf(out, "%s,,,,,,,,,", k.handle)
		}
		status := k.status
		if variant > 0 {
			status = ""
		}
		_, _ = fmt.Fprintf(out, "%s,%s,80,%s,%s,%s,%d.99,https://example.com/%d-%d.jpg,%s,%s%s\n",
			[]string{"S", "M", "L", "XL"}[variant], k.sku, k.tracker, k.quantity, k.policy, 5+variant, product, variant, k.position, status, k.markets)
	}
	return out.Flush()
}
