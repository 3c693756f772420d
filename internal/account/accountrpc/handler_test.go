package accountrpc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/accountrpc"
	"github.com/meridian-commerce/meridian/internal/account/accountsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

// tokens issues and verifies access tokens by remembering them.
type tokens struct {
	mu     sync.Mutex
	issued map[string]rpc.Caller
}

func (k *tokens) Issue(userID string, home regions.Name, currency money.Currency, path string) (string, time.Time, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	token := "token-of-" + userID + path
	k.issued[token] = rpc.Caller{UserID: userID, Home: home, Currency: currency}
	return token, time.Now().Add(5 * time.Minute), nil
}

func (k *tokens) Verify(token string) (rpc.Caller, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.issued[token]; ok {
		return c, nil
	}
	return rpc.Caller{}, fault.New(fault.Unauthenticated, "TOKEN_INVALID", "sign in")
}

func (k *tokens) Ticket(text, path string) (rpc.Caller, error) {
	if !strings.HasSuffix(text, path) {
		text = ""
	}
	return k.Verify(text)
}

// plain hashes fast.
type plain struct{}

func (plain) Hash(_ context.Context, password string) (string, error) {
	return "plain:" + password, nil
}

func (plain) Verify(_ context.Context, hash, password string) (bool, error) {
	return hash == "plain:"+password, nil
}

func (plain) VerifyNobody(context.Context, string) error { return nil }

// stack is an account room on a real database, served as a stack in eu-west-1 does.
type stack struct {
	accountv1connect.AccountServiceClient
	server *httptest.Server
	tokens *tokens
}

func serve(t *testing.T) stack {
	t.Helper()
	keys := &tokens{issued: map[string]rpc.Caller{}}
	db := sqltest.Open(t, nil)
	products := catalogsql.New(db, regions.Default(), clock.System())
	var prices []money.Money
	for _, c := range []money.Currency{"EUR", "GBP", "INR", "JPY", "KWD", "SGD", "USD"} {
		prices = append(prices, money.Money{Minor: 900, Currency: c})
	}
	_, err := products.Put(t.Context(), []catalog.Product{{Handle: "tea", Title: "Tea", Active: true, Variants: []catalog.Variant{{SKU: "A", Prices: prices}}}})
	if err != nil {
		t.Fatal(err)
	}
	service, err := account.New(account.Config{
		Store: accountsql.New(db), Shop: products, Fallback: "USD", Hasher: plain{}, Issuer: keys, Regions: regions.Default(),
		DirectoryKey: make([]byte, 32), Clock: clock.System(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := rpctest.Serve(t, keys, func(mux *http.ServeMux, options ...connect.HandlerOption) {
		mux.Handle(accountv1connect.NewAccountServiceHandler(accountrpc.New(service, "eu-west-1"), options...))
	})
	return stack{accountv1connect.NewAccountServiceClient(s.Client(), s.URL, connect.WithHTTPGet()), s, keys}
}

func signUp() *accountv1.SignUpRequest {
	return &accountv1.SignUpRequest{Email: "Ada@example.com", Password: "correct horse", DisplayName: "Ada"}
}

func TestSignUpSignInGet(t *testing.T) {
	t.Parallel()
	s := serve(t)
	up, err := s.SignUp(rpctest.With(t.Context(), "Meridian-Caller-Region", "ap-southeast-1", "Meridian-Caller-Country", "SG"), signUp())
	if err != nil {
		t.Fatal(err)
	}
	want := &accountv1.Account{
		Id: up.GetAccount().GetId(), Email: "ada@example.com", DisplayName: "Ada", HomeRegion: "ap-southeast-1", Country: "SG", Currency: "SGD",
		CreateTime: up.GetAccount().GetCreateTime(),
	}
	if diff := cmp.Diff(want, up.GetAccount(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if home, err := id.Home(regions.Default(), id.User, want.GetId()); err != nil || home != "ap-southeast-1" {
		t.Errorf("id %s is of %s (%v)", want.GetId(), home, err)
	}
	if up.GetAccessToken() == "" || !up.GetAccessTokenExpireTime().AsTime().After(want.GetCreateTime().AsTime()) {
		t.Errorf("token %q until %s", up.GetAccessToken(), up.GetAccessTokenExpireTime().AsTime())
	}
	in, err := s.SignIn(t.Context(), &accountv1.SignInRequest{Email: "ada@EXAMPLE.com", Password: "correct horse"})
	if diff := cmp.Diff(want, in.GetAccount(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err := s.GetAccount(rpctest.As(t.Context(), in.GetAccessToken()), &accountv1.GetAccountRequest{})
	if diff := cmp.Diff(want, got.GetAccount(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestSignUpWithoutAnEdge(t *testing.T) {
	t.Parallel()
	s := serve(t)
	up, err := s.SignUp(t.Context(), signUp())
	if a := up.GetAccount(); err != nil || a.GetHomeRegion() != "eu-west-1" || a.GetCurrency() != "USD" || a.GetCountry() != "" {
		t.Errorf("got %v, %v; want the stack's own region", a, err)
	}
}

// Who signs up somewhere is shown what is sold there in its own currency, and changes it where another is wanted.
func TestCurrencyOfACountry(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for country, want := range map[string]string{
		"IE": "EUR", "HR": "EUR", "BG": "EUR", "GB": "GBP", "JE": "GBP", "IN": "INR", "KW": "KWD", "JP": "JPY", "SG": "SGD", "US": "USD",
		"CH": "USD", "BR": "USD", "AQ": "USD", "": "USD", // in whose nothing is sold
	} {
		in := signUp()
		in.Email = "ada-" + country + "@example.com"
		up, err := s.SignUp(rpctest.With(t.Context(), "Meridian-Caller-Region", "eu-west-1", "Meridian-Caller-Country", country), in)
		if err != nil || up.GetAccount().GetCurrency() != want {
			t.Errorf("%q: %v, %v; want %s", country, up.GetAccount(), err, want)
			continue
		}
		as := rpctest.As(t.Context(), up.GetAccessToken())
		_, err = s.SetCurrency(as, &accountv1.SetCurrencyRequest{Currency: "CHF"})
		rpctest.Refused(t, "nothing is sold in it", err, connect.CodeInvalidArgument, "CURRENCY_NOT_SOLD")
		_, err = s.SetCurrency(rpctest.As(t.Context(), up.GetAccessToken()), &accountv1.SetCurrencyRequest{})
		rpctest.Refused(t, "none is said", err, connect.CodeInvalidArgument, "CURRENCY_UNKNOWN")
		set, err := s.SetCurrency(rpctest.As(t.Context(), up.GetAccessToken()), &accountv1.SetCurrencyRequest{Currency: "KWD"})
		if err != nil || set.GetAccount().GetCurrency() != "KWD" || set.GetAccount().GetId() != up.GetAccount().GetId() {
			t.Errorf("%q: %v, %v", country, set, err)
		}
		got, err := s.GetAccount(rpctest.As(t.Context(), up.GetAccessToken()), &accountv1.GetAccountRequest{})
		if diff := cmp.Diff(set.GetAccount(), got.GetAccount(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", country, err, diff)
		}
	}
	in := signUp()
	in.Currency = "CHF"
	_, err := s.SignUp(t.Context(), in)
	rpctest.Refused(t, "a sign-up for it", err, connect.CodeInvalidArgument, "CURRENCY_NOT_SOLD")
	_, err = s.SetCurrency(t.Context(), &accountv1.SetCurrencyRequest{Currency: "EUR"})
	rpctest.Refused(t, "nobody", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if _, err := s.SignUp(t.Context(), signUp()); err != nil {
		t.Fatal(err)
	}
	_, err := s.SignUp(t.Context(), signUp())
	rpctest.Refused(t, "taken address", err, connect.CodeAlreadyExists, "EMAIL_TAKEN")
	_, err = s.SignUp(rpctest.With(t.Context(), "Meridian-Caller-Region", "mars-north-1"), signUp())
	rpctest.Refused(t, "unknown region", err, connect.CodeInvalidArgument, "REGION_UNKNOWN")
	_, err = s.SignUp(t.Context(), &accountv1.SignUpRequest{})
	rpctest.Refused(t, "empty sign-up", err, connect.CodeInvalidArgument, "EMAIL_INVALID")
	_, err = s.SignIn(t.Context(), &accountv1.SignInRequest{Email: "ada@example.com", Password: "wrong horse"})
	rpctest.Refused(t, "wrong password", err, connect.CodeUnauthenticated, "CREDENTIALS_WRONG")
	_, err = s.SignIn(t.Context(), &accountv1.SignInRequest{Email: "eve@example.com", Password: "correct horse"})
	rpctest.Refused(t, "unknown address", err, connect.CodeUnauthenticated, "CREDENTIALS_WRONG")
	_, err = s.GetAccount(t.Context(), &accountv1.GetAccountRequest{})
	rpctest.Refused(t, "no token", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
	_, err = s.GetAccount(rpctest.As(t.Context(), "forged"), &accountv1.GetAccountRequest{})
	rpctest.Refused(t, "forged token", err, connect.CodeUnauthenticated, "TOKEN_INVALID")
	orphan, _, _ := s.tokens.Issue(id.New(id.User, "eu1"), "eu-west-1", "EUR", "")
	_, err = s.GetAccount(rpctest.As(t.Context(), orphan), &accountv1.GetAccountRequest{})
	rpctest.Refused(t, "account that is gone", err, connect.CodeNotFound, "ACCOUNT_NOT_FOUND")
}

// Reads are plain GETs, which curl and CDNs understand; what changes something is not.
func TestGet(t *testing.T) {
	t.Parallel()
	s := serve(t)
	up, err := s.SignUp(t.Context(), signUp())
	if err != nil {
		t.Fatal(err)
	}
	status, _, body := rpctest.Get(t, s.server, accountv1connect.AccountServiceGetAccountProcedure, "{}", up.GetAccessToken())
	var got accountv1.GetAccountResponse
	if err := protojson.Unmarshal([]byte(body), &got); status != http.StatusOK || err != nil || got.GetAccount().GetId() != up.GetAccount().GetId() {
		t.Errorf("status %d, body %s (%v)", status, body, err)
	}
	if status, _, body := rpctest.Get(t, s.server, accountv1connect.AccountServiceGetAccountProcedure, "{}", "forged"); status != http.StatusUnauthorized {
		t.Errorf("with a forged token: status %d, body %s", status, body)
	}
	if status, _, _ := rpctest.Get(t, s.server, accountv1connect.AccountServiceSignUpProcedure, `{"email":"eve@example.com","password":"correct horse"}`, ""); status != http.StatusMethodNotAllowed {
		t.Errorf("a sign-up by GET: status %d", status)
	}
}

// TestTickets: who has signed in gets a ticket for a stream's path, and nobody one for a call.
func TestTickets(t *testing.T) {
	t.Parallel()
	s := serve(t)
	in, err := s.SignUp(t.Context(), signUp())
	if err != nil {
		t.Fatal(err)
	}
	as := rpctest.As(t.Context(), in.GetAccessToken())
	const path = "/v1/orders/x/events"
	got, err := s.CreateStreamTicket(as, &accountv1.CreateStreamTicketRequest{Path: path})
	if err != nil || got.GetExpireTime() == nil {
		t.Fatalf("%v, %v", got, err)
	}
	if who, err := s.tokens.Ticket(got.GetTicket(), path); err != nil || who.UserID != in.GetAccount().GetId() || who.Home != "eu-west-1" {
		t.Errorf("the ticket is of %+v (%v)", who, err)
	}
	for _, path := range []string{"", "/", "/v1", "v1/orders", "/meridian.order.v1.OrderService/GetOrder", "/v1/" + strings.Repeat("x", 300)} {
		_, err := s.CreateStreamTicket(rpctest.As(t.Context(), in.GetAccessToken()), &accountv1.CreateStreamTicketRequest{Path: path})
		rpctest.Refused(t, path, err, connect.CodeInvalidArgument, "TICKET_PATH_INVALID")
	}
	_, err = s.CreateStreamTicket(t.Context(), &accountv1.CreateStreamTicketRequest{Path: path})
	rpctest.Refused(t, "nobody", err, connect.CodeUnauthenticated, "TOKEN_MISSING")
}
