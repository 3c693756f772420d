// Package catalogrpc serves the catalog over Connect.
package catalogrpc

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// Handler implements catalogv1connect.CatalogServiceHandler.
type Handler struct {
	service *catalog.Service
	regions *regions.Set
	region  regions.Name
}

// New returns a Handler, which serves in a region.
func New(s *catalog.Service, c *regions.Set, region regions.Name) *Handler {
	return &Handler{s, c, region}
}

type listCursor struct {
	After string `json:"a"`
}

type searchCursor struct {
	Offset int `json:"o"`
}

// ListProducts implements the method.
func (h *Handler) ListProducts(ctx context.Context, r *catalogv1.ListProductsRequest) (*catalogv1.ListProductsResponse, error) {
	size, err := rpc.PageSize(r.GetPageSize())
	if err != nil {
		return nil, err
	}
	in, err := pricesIn(r.GetCurrency())
	if err != nil {
		return nil, err
	}
	// A page token is not of a currency: the products and their order are the same in all.
	switch r.GetSort() {
	case catalogv1.Sort_SORT_UNSPECIFIED:
		return h.byHandle(ctx, r, size, in)
	case catalogv1.Sort_SORT_POPULAR:
		return h.byPopularity(ctx, r, size, in)
	}
	return nil, fault.New(fault.Invalid, "SORT_INVALID", "sort is not one that this version knows: %d", r.GetSort())
}

func (h *Handler) byHandle(ctx context.Context, r *catalogv1.ListProductsRequest, size int, in money.Currency) (*catalogv1.ListProductsResponse, error) {
	var at listCursor
	if err := rpc.ReadPageToken(r.GetPageToken(), &at, "handle", r.GetCategory()); err != nil {
		return nil, err
	}
	page, next, err := h.service.List(ctx, r.GetCategory(), at.After, size)
	if err != nil {
		return nil, err
	}
	out := &catalogv1.ListProductsResponse{Products: messages(page, in)}
	if next != "" {
		out.NextPageToken = rpc.PageToken(listCursor{next}, "handle", r.GetCategory())
	}
	return out, nil
}

// popularCursor says of which ranking the next page is, since ranks of another mean nothing in it.
type popularCursor struct {
	Region regions.Name `json:"r"`
	Views  int64        `json:"v"`
	Handle string       `json:"h"`
}

func (h *Handler) byPopularity(ctx context.Context, r *catalogv1.ListProductsRequest, size int, in money.Currency) (*catalogv1.ListProductsResponse, error) {
	region := h.region
	var after *catalog.Rank
	if token := r.GetPageToken(); token != "" {
		var at popularCursor
		if err := rpc.ReadPageToken(token, &at, "popular", r.GetCategory()); err != nil {
			return nil, err
		}
		if _, known := h.regions.Lookup(at.Region); !known {
			return nil, fault.New(fault.Invalid, "PAGE_TOKEN_INVALID", "page_token is of a region that is no more; begin again")
		}
		// The ranking is that of the first page's region, wherever the next one is served.
		region = at.Region
		after = &catalog.Rank{Views: at.Views, Handle: at.Handle}
	}
	page, next, err := h.service.Popular(ctx, region, r.GetCategory(), after, size)
	if err != nil {
		return nil, err
	}
	out := &catalogv1.ListProductsResponse{Products: messages(page, in)}
	if next != nil {
		out.NextPageToken = rpc.PageToken(popularCursor{region, next.Views, next.Handle}, "popular", r.GetCategory())
	}
	return out, nil
}

// GetProduct implements the method.
func (h *Handler) GetProduct(ctx context.Context, r *catalogv1.GetProductRequest) (*catalogv1.GetProductResponse, error) {
	in, err := pricesIn(r.GetCurrency())
	if err != nil {
		return nil, err
	}
	p, err := h.service.Product(ctx, r.GetHandle())
	if err != nil {
		return nil, err
	}
	return &catalogv1.GetProductResponse{Product: message(p, in)}, nil
}

// SearchProducts implements the method.
func (h *Handler) SearchProducts(ctx context.Context, r *catalogv1.SearchProductsRequest) (*catalogv1.SearchProductsResponse, error) {
	size, err := rpc.PageSize(r.GetPageSize())
	if err != nil {
		return nil, err
	}
	in, err := pricesIn(r.GetCurrency())
	if err != nil {
		return nil, err
	}
	var at searchCursor
	if err := rpc.ReadPageToken(r.GetPageToken(), &at, "search", r.GetQuery()); err != nil {
		return nil, err
	}
	page, next, err := h.service.Search(ctx, r.GetQuery(), at.Offset, size)
	if err != nil {
		return nil, err
	}
	out := &catalogv1.SearchProductsResponse{Products: messages(page, in)}
	if next != 0 {
		out.NextPageToken = rpc.PageToken(searchCursor{next}, "search", r.GetQuery())
	}
	return out, nil
}

// ListCurrencies implements the method.
func (h *Handler) ListCurrencies(ctx context.Context, _ *catalogv1.ListCurrenciesRequest) (*catalogv1.ListCurrenciesResponse, error) {
	sold, err := h.service.Currencies(ctx)
	if err != nil {
		return nil, err
	}
	out := &catalogv1.ListCurrenciesResponse{}
	for _, c := range sold {
		out.Currencies = append(out.Currencies, &catalogv1.Currency{Code: string(c), Digits: int32(c.Exponent())})
	}
	return out, nil
}

// pricesIn reads the currency that a caller asks for prices in; "" is all of them.
func pricesIn(code string) (money.Currency, error) {
	if code == "" {
		return "", nil
	}
	c, err := money.ParseCurrency(code)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "currency is an ISO 4217 code such as EUR")
	}
	return c, nil
}

func messages(products []catalog.Product, in money.Currency) []*catalogv1.Product {
	out := make([]*catalogv1.Product, len(products))
	for i, p := range products {
		out[i] = message(p, in)
	}
	return out
}

func message(p catalog.Product, in money.Currency) *catalogv1.Product {
	out := &catalogv1.Product{
		Handle: p.Handle, Title: p.Title, Description: p.Description, Vendor: p.Vendor, Category: p.Category, Type: p.Type,
		Tags: p.Tags, Images: p.Images, Version: p.Version, UpdateTime: timestamppb.New(p.UpdatedAt),
	}
	for _, v := range p.Variants {
		out.Variants = append(out.Variants, &catalogv1.Variant{
			Id: v.ID, Sku: v.SKU, Title: v.Title, Barcode: v.Barcode, Grams: int32(v.Grams),
			Prices: amounts(v.Prices, in), CompareAtPrices: amounts(v.CompareAt, in),
		})
	}
	return out
}

// amounts writes those of a currency; "" is all of them.
func amounts(all []money.Money, in money.Currency) (out []*moneyv1.Money) {
	for _, m := range all {
		if in == "" || m.Currency == in {
			out = append(out, rpc.Money(m))
		}
	}
	return out
}
