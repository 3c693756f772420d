// Package seed is the catalog that a fresh store starts with: a general store's tea, books, pots and tents, priced
// in USD, EUR, SGD and JPY. Each price is set for its market rather than converted.
package seed

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/money"
)

//go:embed data/*.yaml
var departments embed.FS

type department struct {
	Products []product `yaml:"products"`
}

type product struct {
	Handle      string    `yaml:"handle"`
	Title       string    `yaml:"title"`
	Vendor      string    `yaml:"vendor"`
	Category    string    `yaml:"category"`
	Type        string    `yaml:"type"`
	Tags        []string  `yaml:"tags"`
	Description string    `yaml:"description"`
	Variants    []variant `yaml:"variants"`
}

type variant struct {
	SKU   string `yaml:"sku"`
	Title string `yaml:"title"` // empty for a product with one variant
	Grams int    `yaml:"grams"`
	Stock int    `yaml:"stock"`
	USD   string `yaml:"usd"`
	EUR   string `yaml:"eur"`
	SGD   string `yaml:"sgd"`
	JPY   string `yaml:"jpy"`
}

// Products returns the catalog, department by department. The products are the caller's own copy. An error means
// that the embedded data is broken, and names the place.
func Products() ([]catalog.Product, error) {
	return load(departments)
}

func load(files fs.FS) ([]catalog.Product, error) {
	names, err := fs.Glob(files, "data/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("seed: list departments: %w", err)
	}
	var all []catalog.Product
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("seed: %w", err)
		}
		var d department
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&d); err != nil {
			return nil, fmt.Errorf("seed: read %s: %w", name, err)
		}
		for _, p := range d.Products {
			loaded, err := p.load()
			if err != nil {
				return nil, fmt.Errorf("seed: %s: product %s: %w", name, p.Handle, err)
			}
			all = append(all, loaded)
		}
	}
	return all, nil
}

func (p product) load() (catalog.Product, error) {
	loaded := catalog.Product{
		Handle: p.Handle, Title: p.Title, Description: p.Description, Vendor: p.Vendor,
		Category: p.Category, Type: p.Type, Tags: p.Tags, Active: true,
	}
	for _, v := range p.Variants {
		prices, err := v.prices()
		if err != nil {
			return catalog.Product{}, fmt.Errorf("variant %s: %w", v.SKU, err)
		}
		loaded.Variants = append(loaded.Variants, catalog.Variant{
			SKU: v.SKU, Title: v.Title, Grams: v.Grams, Stock: v.Stock, Prices: prices,
		})
	}
	return loaded, nil
}

func (v variant) prices() ([]money.Money, error) {
	var all []money.Money
	for _, price := range []struct {
		amount   string
		currency money.Currency
	}{{v.USD, "USD"}, {v.EUR, "EUR"}, {v.SGD, "SGD"}, {v.JPY, "JPY"}} {
		m, err := money.Parse(price.amount, price.currency)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
