package catalogrpc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
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
	"github.com/meridian-commerce/meridian/internal/rpc"
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
			Prices:    []money.Money{{Minor: 750, Currency: "EUR"}, {Minor: 1200, Currency: "JPY"}},
			CompareAt: []money.Money{{Minor: 900, Currency: "EUR"}},
		}},
	}
}

// serve serves a catalog of five products on a real database, of which "hidden" is not active.
func serve(t *testing.T) (catalogv1connect.CatalogServiceClient, *httptest.Server) {
	t.Helper()
	client, server, _ := open(t)
	return client, server
}

// open serves the same catalog in us-east-1, and returns its store too.
func open(t *testing.T) (catalogv1connect.CatalogServiceClient, *httptest.Server, *catalogsql.Store) {
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
		mux.Handle(catalogv1connect.NewCatalogServiceHandler(catalogrpc.New(catalog.New(store), regions.Default(), "us-east-1"), options...))
	})
	return catalogv1connect.NewCatalogServiceClient(s.Client(), s.URL, connect.WithHTTPGet()), s, store
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
			Id: "sku-tea", Sku: "sku-tea", Title: "Large", Barcode: "0123", Grams: 700,
			Prices:          []*moneyv1.Money{{MinorUnits: 750, Currency: "EUR"}, {MinorUnits: 1200, Currency: "JPY"}},
			CompareAtPrices: []*moneyv1.Money{{MinorUnits: 900, Currency: "EUR"}},
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

// Whoever has no account asks for a currency with each request, and is told which there are.
func TestPricesInOneCurrency(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	eur, jpy := &moneyv1.Money{MinorUnits: 750, Currency: "EUR"}, &moneyv1.Money{MinorUnits: 1200, Currency: "JPY"}
	for currency, want := range map[string][]*moneyv1.Money{"": {eur, jpy}, "EUR": {eur}, "jpy": {jpy}, "KWD": nil} {
		one, err := client.GetProduct(t.Context(), &catalogv1.GetProductRequest{Handle: "tea", Currency: currency})
		list, listed := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{Category: "Food", Currency: currency})
		found, searched := client.SearchProducts(t.Context(), &catalogv1.SearchProductsRequest{Query: "tea", Currency: currency})
		for what, p := range map[string][]*catalogv1.Product{"one": {one.GetProduct()}, "listed": list.GetProducts(), "found": found.GetProducts()} {
			if err != nil || listed != nil || searched != nil || len(p) != 1 || len(p[0].GetVariants()) != 1 {
				t.Fatalf("%s in %q: %v (%v, %v, %v)", what, currency, p, err, listed, searched)
			}
			if diff := cmp.Diff(want, p[0].GetVariants()[0].GetPrices(), protocmp.Transform()); diff != "" {
				t.Errorf("%s in %q: %s", what, currency, diff)
			}
		}
	}
	_, err := client.GetProduct(t.Context(), &catalogv1.GetProductRequest{Handle: "tea", Currency: "XXX"})
	_, listed := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{Currency: "€"})
	_, searched := client.SearchProducts(t.Context(), &catalogv1.SearchProductsRequest{Query: "tea", Currency: "EURO"})
	for what, err := range map[string]error{"one": err, "listed": listed, "found": searched} {
		rpctest.Refused(t, what, err, connect.CodeInvalidArgument, "CURRENCY_UNKNOWN")
	}
}

func TestListCurrencies(t *testing.T) {
	t.Parallel()
	client, _, store := open(t)
	more := product("kohl", "Kohl", "Kitchen", true)
	more.Variants[0].Prices = []money.Money{{Minor: 1250, Currency: "KWD"}, {Minor: 3, Currency: "EUR"}}
	if _, err := store.Put(t.Context(), []catalog.Product{more}); err != nil {
		t.Fatal(err)
	}
	got, err := client.ListCurrencies(t.Context(), &catalogv1.ListCurrenciesRequest{})
	want := &catalogv1.ListCurrenciesResponse{Currencies: []*catalogv1.Currency{{Code: "EUR", Digits: 2}, {Code: "JPY"}, {Code: "KWD", Digits: 3}}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
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

// TestPagesOfOneList: a token is of what was asked for when it was given, and no other list begins in its middle.
func TestPagesOfOneList(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	list, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	found, err := client.SearchProducts(t.Context(), &catalogv1.SearchProductsRequest{Query: "green", PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"another category": list.GetNextPageToken(), "a search's": found.GetNextPageToken()} {
		_, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{Category: "Kitchen", PageToken: token})
		rpctest.Refused(t, name, err, connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
	}
	for name, token := range map[string]string{"another query": found.GetNextPageToken(), "a list's": list.GetNextPageToken()} {
		_, err := client.SearchProducts(t.Context(), &catalogv1.SearchProductsRequest{Query: "tea", PageToken: token})
		rpctest.Refused(t, name, err, connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID")
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
	_, err = client.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: "tea", PageToken: rpc.PageToken(map[string]any{"o": -1}, "search", "tea")})
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

func TestListPopularProducts(t *testing.T) {
	t.Parallel()
	client, _, store := open(t)
	look := func(region regions.Name, batch string, views map[string]int64) {
		t.Helper()
		if err := store.AddViews(t.Context(), region, batch, views); err != nil {
			t.Fatal(err)
		}
	}
	look("us-east-1", "a", map[string]int64{"tea": 3, "cup": 2, "pot": 9, "hidden": 90, "withdrawn long ago": 70})
	look("eu-west-1", "a", map[string]int64{"kettle": 50})
	list := func(size int32, token, category string) *catalogv1.ListProductsResponse {
		t.Helper()
		res, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{
			Sort: catalogv1.Sort_SORT_POPULAR, PageSize: size, PageToken: token, Category: category,
		})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := list(2, "", "")
	look("us-east-1", "b", map[string]int64{"pot": 1, "cup": 5}) // the cup overtakes the tea, after which the next page begins
	second := list(2, first.GetNextPageToken(), "")
	third := list(2, "", "Kitchen")
	for name, c := range map[string]struct {
		res  *catalogv1.ListProductsResponse
		want []string
		more bool
	}{
		"the first page":                       {first, []string{"pot", "tea"}, true},
		"what overtook it is not on the next":  {second, nil, false},
		"a category, counted again, and below": {third, []string{"pot", "cup"}, false},
	} {
		if diff := cmp.Diff(c.want, handles(c.res.GetProducts())); diff != "" || (c.res.GetNextPageToken() != "") != c.more {
			t.Errorf("%s: next %q\n%s", name, c.res.GetNextPageToken(), diff)
		}
	}
	if v := first.GetProducts()[0].GetVariants(); len(v) != 1 || len(v[0].GetPrices()) != 2 {
		t.Errorf("the pot has variants %v", v)
	}
	plain, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	const popular = catalogv1.Sort_SORT_POPULAR
	for name, r := range map[string]*catalogv1.ListProductsRequest{
		"another category":               {Sort: popular, PageToken: first.GetNextPageToken(), Category: "Food"},
		"by handle, with a rank":         {PageToken: first.GetNextPageToken()},
		"by popularity, with a handle":   {Sort: popular, PageToken: plain.GetNextPageToken()},
		"a region that is not":           {Sort: popular, PageToken: rpc.PageToken(map[string]any{"r": "mars-1", "v": 1, "h": "tea"}, "popular", "")},
		"an order that is not known yet": {Sort: 99},
	} {
		reason := "PAGE_TOKEN_INVALID"
		if r.GetSort() == 99 {
			reason = "SORT_INVALID"
		}
		_, err := client.ListProducts(t.Context(), r)
		rpctest.Refused(t, name, err, connect.CodeInvalidArgument, reason)
	}
}

// A page of a ranking may be asked for in another region, and is of the same ranking there.
func TestAPopularListingKeepsItsRegion(t *testing.T) {
	t.Parallel()
	client, _, store := open(t)
	if err := store.AddViews(t.Context(), "eu-west-1", "a", map[string]int64{"kettle": 5, "tea": 4}); err != nil {
		t.Fatal(err)
	}
	token := rpc.PageToken(map[string]any{"r": "eu-west-1", "v": 5, "h": "kettle"}, "popular", "")
	res, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{Sort: catalogv1.Sort_SORT_POPULAR, PageToken: token})
	if diff := cmp.Diff([]string{"tea"}, handles(res.GetProducts())); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestUnicodeHandle(t *testing.T) {
	t.Parallel()
	client, _, store := open(t)
	const handle = "nhẫn-1-خاتم-茶碗™"
	if _, err := store.Put(t.Context(), []catalog.Product{product(handle, "Ring", "Rings", true)}); err != nil {
		t.Fatal(err)
	}
	for _, composed := range []norm.Form{norm.NFC, norm.NFD} {
		res, err := client.GetProduct(t.Context(), &catalogv1.GetProductRequest{Handle: composed.String(handle)})
		if err != nil || res.GetProduct().GetHandle() != handle {
			t.Errorf("got %v, %v", res, err)
		}
	}
	list, err := client.ListProducts(t.Context(), &catalogv1.ListProductsRequest{Category: "Rings"})
	if got := handles(list.GetProducts()); err != nil || len(got) != 1 || got[0] != handle {
		t.Errorf("got %v, %v", got, err)
	}
}
