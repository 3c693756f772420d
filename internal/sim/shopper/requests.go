package shopper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	catalogv1 "github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1"
	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/sim/history"
)

// SignUp opens an account, which the shopper has from then on.
func SignUp(email, password, name, currency string) Request {
	return Request{Op: history.Op{Kind: history.SignUp}, send: func(ctx context.Context, s *Shopper, _ *history.Op) error {
		answer, err := s.account.SignUp(ctx, &accountv1.SignUpRequest{Email: email, Password: password, DisplayName: name, Currency: currency})
		if err == nil {
			s.signedIn(answer.GetAccount(), answer.GetAccessToken(), answer.GetAccessTokenExpireTime().AsTime())
		}
		return err
	}}
}

// SignUpAs opens an account for a name that nobody has, of somebody who never signs in again.
func SignUpAs(name, currency string) Request {
	return SignUp(strings.ToLower(name)+"@probe.example", "correct horse battery", name, currency)
}

// SignIn gets a fresh token.
func SignIn(email, password string) Request {
	return Request{Op: history.Op{Kind: history.SignIn}, send: func(ctx context.Context, s *Shopper, _ *history.Op) error {
		answer, err := s.account.SignIn(ctx, &accountv1.SignInRequest{Email: email, Password: password})
		if err == nil {
			s.signedIn(answer.GetAccount(), answer.GetAccessToken(), answer.GetAccessTokenExpireTime().AsTime())
		}
		return err
	}}
}

// ListProducts reads the first page of what is sold.
func ListProducts(size int32) Request {
	return Request{Op: history.Op{Kind: history.List}, send: func(ctx context.Context, s *Shopper, _ *history.Op) error {
		_, err := s.catalog.ListProducts(ctx, &catalogv1.ListProductsRequest{PageSize: size})
		return err
	}}
}

// GetProduct reads one product.
func GetProduct(handle string) Request {
	return Request{Op: history.Op{Kind: history.Product}, send: func(ctx context.Context, s *Shopper, _ *history.Op) error {
		_, err := s.catalog.GetProduct(ctx, &catalogv1.GetProductRequest{Handle: handle})
		return err
	}}
}

// Search looks for products by words.
func Search(query string) Request {
	return Request{Op: history.Op{Kind: history.Search}, send: func(ctx context.Context, s *Shopper, _ *history.Op) error {
		_, err := s.catalog.SearchProducts(ctx, &catalogv1.SearchProductsRequest{Query: query})
		return err
	}}
}

// Word is the longest word of a title, to search for; "" without one of plain letters.
func Word(title string) string {
	longest := ""
	for word := range strings.FieldsFuncSeq(title, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if len(word) > len(longest) {
			longest = word
		}
	}
	return longest
}

// GetCart reads the shopper's cart into the Op's Items and Etag.
func GetCart() Request {
	return Request{Op: history.Op{Kind: history.GetCart}, send: func(ctx context.Context, s *Shopper, op *history.Op) error {
		answer, err := s.cart.GetCart(ctx, &cartv1.GetCartRequest{})
		noteCart(op, answer.GetCart())
		return err
	}}
}

// SetItem puts so many units into the cart; with an etag, only if the cart is still as that says.
func SetItem(sku string, units int32, etag string) Request {
	return Request{Op: history.Op{Kind: history.SetItem, SKU: sku, Units: units}, send: func(ctx context.Context, s *Shopper, op *history.Op) error {
		answer, err := s.cart.SetItem(ctx, &cartv1.SetItemRequest{Sku: sku, Quantity: &units, Etag: etag})
		noteCart(op, answer.GetCart())
		return err
	}}
}

// PlaceOrder orders what is in the cart, under an idempotency key.
func PlaceOrder(key string) Request {
	return Request{
		Op: history.Op{Kind: history.PlaceOrder, Key: key}, Header: http.Header{"Idempotency-Key": {key}},
		send: func(ctx context.Context, s *Shopper, op *history.Op) error {
			answer, err := s.order.PlaceOrder(ctx, &orderv1.PlaceOrderRequest{})
			if err != nil {
				return err
			}
			noteOrder(op, answer.GetOrder())
			op.Digest = digest(answer)
			op.Total = answer.GetOrder().GetTotal().GetMinorUnits()
			op.Items = map[string]int32{}
			for _, line := range answer.GetOrder().GetLines() {
				op.Items[line.GetSku()] += line.GetQuantity()
			}
			return nil
		},
	}
}

// GetOrder reads an order.
func GetOrder(id string) Request {
	return Request{Op: history.Op{Kind: history.GetOrder, Order: id}, send: func(ctx context.Context, s *Shopper, op *history.Op) error {
		answer, err := s.order.GetOrder(ctx, &orderv1.GetOrderRequest{Id: id})
		if err == nil {
			noteOrder(op, answer.GetOrder())
		}
		return err
	}}
}

// WatchOrder follows an order until it is final or the context ends. Every message is an Op of its own, answered between
// the stream's start and its arrival.
func WatchOrder(id string) Request {
	return Request{Op: history.Op{Kind: history.Watch, Order: id}, send: func(ctx context.Context, s *Shopper, op *history.Op) error {
		stream, err := s.order.WatchOrder(ctx, &orderv1.WatchOrderRequest{Id: id})
		if err != nil {
			return enough(ctx, err)
		}
		defer func() { _ = stream.Close() }()
		for stream.Receive() {
			noteOrder(op, stream.Msg().GetOrder())
			seen := *op
			seen.Kind = history.WatchMessage
			seen.Returned = time.Now()
			seen.Outcome = history.OK
			s.note(seen)
		}
		return enough(ctx, stream.Err())
	}}
}

// enough forgives a stream that was cut off by the shopper's own time-out, which the server knows too.
func enough(watching context.Context, err error) error {
	if end, ok := watching.Deadline(); !ok || time.Until(end) > time.Second/2 {
		return err
	}
	return nil
}

func noteCart(op *history.Op, c *cartv1.Cart) {
	if c == nil {
		return
	}
	op.Etag = c.GetEtag()
	op.Items = make(map[string]int32, len(c.GetItems()))
	for _, i := range c.GetItems() {
		op.Items[i.GetSku()] += i.GetQuantity()
	}
}

func noteOrder(op *history.Op, o *orderv1.Order) {
	op.Order = o.GetId()
	op.State = stateName(o.GetState())
	op.Version = o.GetVersion()
}

// stateName returns a state as the rows have it: pending_payment, confirmed, fulfilled, canceled.
func stateName(s orderv1.OrderState) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "ORDER_STATE_"))
}

// digest fingerprints an answer, so that a replay can be compared with it field by field.
func digest(m proto.Message) string {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return "unmarshalable: " + err.Error()
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
