package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
)

// shop stands in for an edge, so that the examples run by themselves. It refuses each order once.
type shop struct {
	catalogv1connect.UnimplementedCatalogServiceHandler
	orderv1connect.UnimplementedOrderServiceHandler

	seen map[string]bool
}

func (s *shop) GetProduct(_ context.Context, r *catalogv1.GetProductRequest) (*catalogv1.GetProductResponse, error) {
	return &catalogv1.GetProductResponse{Product: &catalogv1.Product{Handle: r.GetHandle(), Title: "Teapot", Variants: []*catalogv1.Variant{
		{Sku: "TP-06", Prices: []*moneyv1.Money{{MinorUnits: 4800, Currency: "EUR"}}},
	}}}, nil
}

func (s *shop) PlaceOrder(ctx context.Context, r *orderv1.PlaceOrderRequest) (*orderv1.PlaceOrderResponse, error) {
	info, _ := connect.CallInfoForHandlerContext(ctx)
	key := info.RequestHeader().Get("Idempotency-Key")
	if !s.seen[key] {
		s.seen[key] = true
		err := connect.NewError(connect.CodeUnavailable, errors.New("the region's leases move"))
		for _, detail := range []*connect.ErrorDetail{
			must(connect.NewErrorDetail(&errdetails.ErrorInfo{Domain: "meridian", Reason: "DATABASE_UNREACHABLE"})),
			must(connect.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})),
		} {
			err.AddDetail(detail)
		}
		return nil, err
	}
	return &orderv1.PlaceOrderResponse{Order: &orderv1.Order{Id: "ord_eu1_7h2k", State: orderv1.OrderState_ORDER_STATE_PENDING_PAYMENT, Total: r.GetExpectedTotal()}}, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the messages above are valid ones
	}
	return v
}

func serve() *httptest.Server {
	s := &shop{seen: map[string]bool{}}
	mux := http.NewServeMux()
	mux.Handle(catalogv1connect.NewCatalogServiceHandler(s))
	mux.Handle(orderv1connect.NewOrderServiceHandler(s))
	return httptest.NewServer(mux)
}

// Anyone may read the catalog. Amounts are integers in the minor unit of their currency.
func Example() {
	edge := serve()
	defer edge.Close()

	catalog := catalogv1connect.NewCatalogServiceClient(edge.Client(), edge.URL, connect.WithHTTPGet())
	answer, err := catalog.GetProduct(context.Background(), &catalogv1.GetProductRequest{Handle: "teapot"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range answer.GetProduct().GetVariants() {
		fmt.Println(answer.GetProduct().GetTitle(), v.GetSku(), v.GetPrices()[0].GetMinorUnits(), v.GetPrices()[0].GetCurrency())
	}
	// Output:
	// Teapot TP-06 4800 EUR
}

// An order is placed once, however often the call is repeated: each retry has the key of the first.
func Example_retry() {
	edge := serve()
	defer edge.Close()

	orders := orderv1connect.NewOrderServiceClient(edge.Client(), edge.URL)
	ctx, call := connect.NewClientContext(context.Background())
	call.RequestHeader().Set("Authorization", "Bearer "+"the access token of SignIn")
	call.RequestHeader().Set("Idempotency-Key", "b1946ac9-2f5e-4e0a-9c1e-5d0c6f0f7a11")

	request := &orderv1.PlaceOrderRequest{CartEtag: `"3"`, ExpectedTotal: &moneyv1.Money{MinorUnits: 4800, Currency: "EUR"}}
	answer, err := orders.PlaceOrder(ctx, request)
	for wait, again := retryAfter(err); again; wait, again = retryAfter(err) {
		time.Sleep(wait)
		answer, err = orders.PlaceOrder(ctx, request)
	}
	fmt.Println(answer.GetOrder().GetId(), answer.GetOrder().GetState(), err)
	// Output:
	// nothing was done: DATABASE_UNREACHABLE
	// ord_eu1_7h2k ORDER_STATE_PENDING_PAYMENT <nil>
}

// retryAfter says whether an error is one after which nothing was done, and how long to wait before the call is repeated.
func retryAfter(err error) (time.Duration, bool) {
	failure, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return 0, false
	}
	wait, again := time.Second, failure.Code() == connect.CodeUnavailable
	for _, detail := range failure.Details() {
		switch value, _ := detail.Value(); value := value.(type) {
		case *errdetails.ErrorInfo:
			fmt.Println("nothing was done:", value.GetReason())
		case *errdetails.RetryInfo:
			wait, again = value.GetRetryDelay().AsDuration(), true
		}
	}
	return wait, again
}
