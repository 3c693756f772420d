package orderrpc_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

func TestWatchOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	stream, err := s.WatchOrder(rpctest.As(t.Context(), "ada"), &orderv1.WatchOrderRequest{Id: o.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	next := map[orderv1.OrderState]order.State{
		orderv1.OrderState_ORDER_STATE_PENDING_PAYMENT: order.Confirmed, orderv1.OrderState_ORDER_STATE_CONFIRMED: order.Fulfilled,
	}
	for stream.Receive() {
		seen := stream.Msg().GetOrder()
		got = append(got, seen.GetState().String())
		if to, more := next[seen.GetState()]; more {
			s.move(o.GetId(), to)
		}
		if seen.GetVersion() != int64(len(got)) || len(seen.GetLines()) != 1 {
			t.Errorf("message %d is %v", len(got), seen)
		}
	}
	if diff := cmp.Diff([]string{"ORDER_STATE_PENDING_PAYMENT", "ORDER_STATE_CONFIRMED", "ORDER_STATE_FULFILLED"}, got); diff != "" || stream.Err() != nil {
		t.Errorf("ended with %v\n%s", stream.Err(), diff)
	}
}

func TestWatchOrderRefusals(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	for name, c := range map[string]struct {
		token, orderID string
		code           connect.Code
		reason         string
	}{
		"nobody":         {"", o.GetId(), connect.CodeUnauthenticated, "TOKEN_MISSING"},
		"a forged token": {"forged", o.GetId(), connect.CodeUnauthenticated, "TOKEN_INVALID"},
		"another user":   {"eve", o.GetId(), connect.CodeNotFound, "ORDER_NOT_FOUND"},
		"unknown order":  {"ada", id.New(id.Order, "eu1"), connect.CodeNotFound, "ORDER_NOT_FOUND"},
	} {
		ctx := t.Context()
		if c.token != "" {
			ctx = rpctest.As(ctx, c.token)
		}
		stream, err := s.WatchOrder(ctx, &orderv1.WatchOrderRequest{Id: c.orderID})
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() {
			t.Errorf("%s sees %v", name, stream.Msg())
		}
		rpctest.Refused(t, name, stream.Err(), c.code, c.reason)
		status, header, body := rpctest.Fetch(t, s.server, "/v1/orders/"+c.orderID+"/events", c.token)
		if want := map[connect.Code]int{connect.CodeUnauthenticated: http.StatusUnauthorized, connect.CodeNotFound: http.StatusNotFound}[c.code]; status != want ||
			header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"code":"`+c.code.String()+`"`) {
			t.Errorf("%s: events: status %d, %s, body %s", name, status, header.Get("Content-Type"), body)
		}
	}
}

// TestWatchesOfOneUser: an account has a bounded number of watches, of either kind, and others are not concerned; one
// that ends makes room.
func TestWatchesOfOneUser(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	watch := func() *connect.ServerStreamForClient[orderv1.WatchOrderResponse] {
		stream, err := s.WatchOrder(rpctest.As(t.Context(), "ada"), &orderv1.WatchOrderRequest{Id: o.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	open := make([]*connect.ServerStreamForClient[orderv1.WatchOrderResponse], 32)
	for i := range open {
		if open[i] = watch(); !open[i].Receive() {
			t.Fatalf("watch %d: %v", i+1, open[i].Err())
		}
	}
	one := watch()
	if one.Receive() {
		t.Error("one watch too many sees", one.Msg())
	}
	rpctest.Refused(t, "one watch too many", one.Err(), connect.CodeResourceExhausted, "WATCHES_TOO_MANY")
	if status, _, body := rpctest.Fetch(t, s.server, "/v1/orders/"+o.GetId()+"/events", "ada"); status != http.StatusTooManyRequests {
		t.Errorf("as events: %d, %s", status, body)
	}
	other, err := s.WatchOrder(rpctest.As(t.Context(), "eve"), &orderv1.WatchOrderRequest{Id: o.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	if other.Receive() {
		t.Error("another user sees the order")
	}
	rpctest.Refused(t, "another user", other.Err(), connect.CodeNotFound, "ORDER_NOT_FOUND")
	if err := open[0].Close(); err != nil {
		t.Fatal(err)
	}
	for { // the handler notices a moment later
		again := watch()
		if again.Receive() {
			break
		}
		rpctest.Refused(t, "before there is room", again.Err(), connect.CodeResourceExhausted, "WATCHES_TOO_MANY")
	}
}

// An instance that goes away tells those who watch to come back elsewhere.
func TestWatchOrderDrains(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	stream, err := s.WatchOrder(rpctest.As(t.Context(), "ada"), &orderv1.WatchOrderRequest{Id: o.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	events := s.events(o.GetId())
	if !stream.Receive() || events.next(t).name != "pending_payment" {
		t.Fatal("nothing to see before the drain:", stream.Err())
	}
	close(s.closing)
	if stream.Receive() {
		t.Errorf("got %v", stream.Msg())
	}
	rpctest.Refused(t, "a watch under way", stream.Err(), connect.CodeUnavailable, "DRAINING")
	events.end(t)
	late, err := s.WatchOrder(rpctest.As(t.Context(), "ada"), &orderv1.WatchOrderRequest{Id: o.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	for late.Receive() {
		t.Log("a watch that begins in the drain sees", late.Msg().GetOrder().GetState())
	}
	rpctest.Refused(t, "a watch that begins in the drain", late.Err(), connect.CodeUnavailable, "DRAINING")
	if _, err := s.GetOrder(rpctest.As(t.Context(), "ada"), &orderv1.GetOrderRequest{Id: o.GetId()}); err != nil {
		t.Errorf("what does not wait is served on: %v", err)
	}
}

// event is one server-sent event.
type event struct{ id, name, data string }

// eventStream reads server-sent events as EventSource does.
type eventStream struct{ lines *bufio.Scanner }

// events watches an order of ada's.
func (s *shop) events(orderID string) eventStream { return s.eventsAfter(orderID, "") }

// eventsAfter comes back to a stream after an event.
func (s *shop) eventsAfter(orderID, last string) eventStream {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.server.URL+"/v1/orders/"+orderID+"/events", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer ada")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Last-Event-ID", last)
	res, err := s.server.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" ||
		res.Header.Get("X-Accel-Buffering") != "no" {
		s.t.Fatalf("status %d, header %v", res.StatusCode, res.Header)
	}
	return eventStream{bufio.NewScanner(res.Body)}
}

// next returns the next event; the zero event at the end.
func (e eventStream) next(t *testing.T) (out event) {
	t.Helper()
	for e.lines.Scan() {
		field, value, _ := strings.Cut(e.lines.Text(), ": ")
		switch field {
		case "", ":": // a comment is an event of its own here
			return out
		case "id":
			out.id = value
		case "event":
			out.name = value
		case "data":
			out.data = value
		default:
			t.Errorf("line %q", e.lines.Text())
		}
	}
	return event{}
}

// end checks that the stream has ended, and well.
func (e eventStream) end(t *testing.T) {
	t.Helper()
	if got := e.next(t); got != (event{}) || e.lines.Err() != nil {
		t.Errorf("got %+v, %v, want the end", got, e.lines.Err())
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	events := s.events(o.GetId())
	check := func(version, name string, state orderv1.OrderState) {
		t.Helper()
		e := events.next(t)
		var got orderv1.Order
		if err := protojson.Unmarshal([]byte(e.data), &got); err != nil || e.id != version || e.name != name || got.GetState() != state || got.GetId() != o.GetId() {
			t.Fatalf("got %+v (%v), want event %s %s", e, err, version, name)
		}
	}
	check("1", "pending_payment", orderv1.OrderState_ORDER_STATE_PENDING_PAYMENT)
	s.move(o.GetId(), order.Confirmed)
	check("2", "confirmed", orderv1.OrderState_ORDER_STATE_CONFIRMED)
	s.move(o.GetId(), order.Canceled)
	check("3", "canceled", orderv1.OrderState_ORDER_STATE_CANCELED)
	events.end(t)
	status, _, body := rpctest.Fetch(t, s.server, "/v1/orders/"+o.GetId()+"/events", "ada")
	if status != http.StatusOK || !strings.HasPrefix(body, "id: 3\nevent: canceled\ndata: {") || strings.Count(body, "\n\n") != 1 {
		t.Errorf("a final order: status %d, %q", status, body)
	}
}

// TestEventsAreTakenUp: an EventSource that comes back is sent what it has not seen, and stays away from what is over.
func TestEventsAreTakenUp(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	for last, want := range map[string]string{"": "1", "0": "1", "-1": "1", "x": "1", "1": "", "7": ""} {
		events := s.eventsAfter(o.GetId(), last) // in any case the stream is open at once
		if got := events.next(t); got.id != want {
			t.Errorf("after %q: %+v, want version %q", last, got, want)
		}
	}
	behind := s.eventsAfter(o.GetId(), "1")
	if got := behind.next(t); got != (event{}) {
		t.Errorf("what was seen is sent again: %+v", got)
	}
	behind.lines.Scan() // the comment's empty line
	s.move(o.GetId(), order.Canceled)
	if got := behind.next(t); got.id != "2" || got.name != "canceled" {
		t.Errorf("got %+v", got)
	}
	behind.end(t)
	for last, want := range map[string]int{"": http.StatusOK, "1": http.StatusOK, "2": http.StatusNoContent} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/v1/orders/"+o.GetId()+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer ada"}, "Last-Event-Id": {last}}
		if status, _, body := rpctest.Do(t, s.server, r); status != want {
			t.Errorf("a final order after event %q: %d, %q", last, status, body)
		}
	}
}

// TestEventsByTicket: a browser's EventSource sends no header, and its ticket opens nothing else.
// TestHeadOfEvents: who asks for the head of a stream is told how it would begin, and waits for nothing.
func TestHeadOfEvents(t *testing.T) {
	t.Parallel()
	s := open(t)
	open, over := s.placed("k1").GetId(), s.placed("k2").GetId()
	s.move(over, order.Canceled)
	path := func(id string) string { return "/v1/orders/" + id + "/events" }
	for name, c := range map[string]struct {
		path, token, seen string
		want              int
		kind              string
	}{
		"under way":            {path(open), "ada", "", 200, "text/event-stream"},
		"under way, and seen":  {path(open), "ada", "1", 200, "text/event-stream"},
		"over":                 {path(over), "ada", "1", 200, "text/event-stream"},
		"over, and seen":       {path(over), "ada", "2", 204, ""},
		"by a ticket":          {path(open) + "?ticket=" + url.QueryEscape("ada "+path(open)), "", "", 200, "text/event-stream"},
		"another user's":       {path(open), "eve", "", 404, "application/json"},
		"nobody's":             {path(open), "", "", 401, "application/json"},
		"by a ticket of other": {path(open) + "?ticket=" + url.QueryEscape("ada "+path(over)), "", "", 401, "application/json"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.server.URL+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Last-Event-Id", c.seen)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		if status, h, body := rpctest.Do(t, s.server, r); status != c.want || h.Get("Content-Type") != c.kind || body != "" {
			t.Errorf("%s: %d, %v, %q", name, status, h, body)
		}
	}
	// A watch that went on would hold one of the places that a user has, and the connection from the next request.
	for range 40 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.server.URL+path(open), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer ada")
		if status, _, _ := rpctest.Do(t, s.server, r); status != http.StatusOK {
			t.Fatalf("one after the other: %d", status)
		}
	}
}

func TestEventsByTicket(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := s.placed("k")
	s.move(o.GetId(), order.Canceled)
	path := "/v1/orders/" + o.GetId() + "/events"
	ticket := "?ticket=" + url.QueryEscape("ada "+path)
	if status, h, body := rpctest.Fetch(t, s.server, path+ticket, ""); status != http.StatusOK || h.Get("Content-Type") != "text/event-stream" {
		t.Errorf("status %d, body %s", status, body)
	}
	other := "/v1/orders/" + s.placed("k2").GetId() + "/events"
	for name, path := range map[string]string{
		"another order": other + ticket, "none": path + "?ticket=", "made up": path + "?ticket=x",
		"a call": orderv1connect.OrderServiceListOrdersProcedure + ticket + "&encoding=json&message={}",
	} {
		if status, _, body := rpctest.Fetch(t, s.server, path, ""); status != http.StatusUnauthorized || !strings.Contains(body, "TOKEN_INVALID") {
			t.Errorf("%s: status %d, body %s", name, status, body)
		}
	}
}
