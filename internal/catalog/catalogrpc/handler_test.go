package catalogrpc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogrpc"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

func product(handle, title, category string, active bool) catalog.Product {
	return catalog.Product{
		Handle: handle, Title: title, Category: category, Active: active, Description: "<b>x</b>", Vendor: "Kiln", Type: "Thing",
		Tags: []string{"gift"}, Images: []string{"https://example.com/" + handle},
		Variants: []catalog.Variant{{
			SKU: "sku-" + handle, Title: "Large", Barcode: "0123", Grams: 700,
			Prices: []money.Money{{Minor: 750, Currency: "EUR"}, {Minor: 1200, Currency: "JPY"}},
		}},
	}
}

// serve serves a catalog of five products on a real database, of which "hidden" is not active.
func serve(t *testing.T) (catalogv1connect.CatalogServiceClient, *httptest.Server) {
	t.Helper()
	store := catalogsql.New(sqltest.Open(t, nil), regions.Default(), clock.System())
	_, err := store.Put(t.Context(), []catalog.Product{
		product("cup", "Cup", "Kitchen > Cups", true), product("hidden", "Green pot", "Kitchen", false), product("kettle", "Kettle", "Kitchen", true),
		product("pot", "Green pot", "Kitchen > Pots", true), product("tea", "Green tea", "Food", true),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := rpctest.Serve(t, rpctest.Tokens{}, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(catalogv1connect.NewCatalogServiceHandler(catalogrpc.New(catalog.New(store)), options...))
	})
	return catalogv1connect.NewCatalogServiceClient(s.Client(), s.URL, connect.WithHTTPGet()), s
}

func handles(products []*catalogv1.Product) (out []string) {
	for _, p := range products {
		out = append(out, p.GetHandle())
	}
	return out
}

func TestGetProduct(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	res, err := client.GetProduct(t.Context(), &catalogv1.GetProductRequest{Handle: "tea"})
	want := &catalogv1.Product{
		Handle: "tea", Title: "Green tea", Description: "<b>x</b>", Vendor: "Kiln", Category: "Food", Type: "Thing", Tags: []string{"gift"},
		Images: []string{"https://example.com/tea"}, Version: 1, UpdateTime: res.GetProduct().GetUpdateTime(),
		Variants: []*catalogv1.Variant{{
			Sku: "sku-tea", Title: "Large", Barcode: "0123", Grams: 700,
			Prices: []*moneyv1.Money{{MinorUnits: 750, Currency: "EUR"}, {MinorUnits: 1200, Currency: "JPY"}},
		}},
	}
	if diff := cmp.Diff(want, res.GetProduct(), protocmp.Transform()); err != nil || diff != "" || !want.GetUpdateTime().IsValid() {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, handle := range []string{"hidden", "gone", ""} {
		_, err := client.GetProduct(t.Context(), &catalogv1.GetProductRequest{Handle: handle})
		rpctest.Refused(t, handle, err, connect.CodeNotFound, "PRODUCT_NOT_FOUND")
	}
}

func TestListProducts(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	var got [][]string
	for token := ""; ; {
		res, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, handles(res.GetProducts()))
		if token = res.GetNextPageToken(); token == "" {
			break
		}
	}
	if diff := cmp.Diff([][]string{{"cup", "kettle"}, {"pot", "tea"}}, got); diff != "" {
		t.Error(diff)
	}
	res, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{Category: "Kitchen"})
	if diff := cmp.Diff([]string{"cup", "kettle", "pot"}, handles(res.GetProducts())); err != nil || diff != "" || res.GetNextPageToken() != "" {
		t.Errorf("next %q, %v\n%s", res.GetNextPageToken(), err, diff)
	}
}

func TestSearchProducts(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	seen := map[string]int{}
	for token := ""; ; {
		res, err := client.SearchProducts(t.Context(), &catalogv1.SearchProductsRequest{Query: "green", PageSize: 1, PageToken: token})
		if err != nil || len(res.GetProducts()) != 1 {
			t.Fatalf("got %v, %v", res, err)
		}
		seen[res.GetProducts()[0].GetHandle()]++
		if token = res.GetNextPageToken(); token == "" {
			break
		}
	}
	if diff := cmp.Diff(map[string]int{"pot": 1, "tea": 1}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	ctx := t.Context()
	_, err := client.ListProducts(ctx, &catalogv1.ListProductsRequest{PageSize: 101})
	rpctest.Refused(t, "long page", err, connect.CodeInvalidArgument, "PAGE_SIZE_INVALID")
	_, err = client.ListProducts(ctx, &catalogv1.ListProductsRequest{PageToken: "!"})
	rpctest.Refused(t, "made-up token", err, connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
	_, err = client.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: "tea", PageSize: -1})
	rpctest.Refused(t, "negative page", err, connect.CodeInvalidArgument, "PAGE_SIZE_INVALID")
	_, err = client.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: "tea", PageToken: "eyJvIjotMX0"}) // {"o":-1}
	rpctest.Refused(t, "made-up offset", err, connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
	_, err = client.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: " "})
	rpctest.Refused(t, "no query", err, connect.CodeInvalidArgument, "QUERY_LENGTH")
	_, err = client.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: strings.Repeat("x", 201)})
	rpctest.Refused(t, "long query", err, connect.CodeInvalidArgument, "QUERY_LENGTH")
}

// The catalog is for everybody, by plain GET, and an old token does no harm.
func TestGet(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	for _, token := range []string{"", "expired"} {
		status, _, body := rpctest.Get(t, s, catalogv1connect.CatalogServiceListProductsProcedure, `{"pageSize":1}`, token)
		var got catalogv1.ListProductsResponse
		if err := protojson.Unmarshal([]byte(body), &got); status != http.StatusOK || err != nil || len(got.GetProducts()) != 1 {
			t.Errorf("status %d, body %s (%v)", status, body, err)
		}
	}
	if status, _, body := rpctest.Get(t, s, catalogv1connect.CatalogServiceGetProductProcedure, `{"handle":"gone"}`, ""); status != http.StatusNotFound || !strings.Contains(body, `"code":"not_found"`) {
		t.Errorf("status %d, body %s", status, body)
	}
}
