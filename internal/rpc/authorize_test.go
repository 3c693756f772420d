package rpc_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	cartv1 "github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	methodv1 "github.com/meridian-commerce/meridian/api/gen/meridian/method/v1"
	"github.com/meridian-commerce/meridian/internal/method"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/internal/rpc/rpctest"
)

// TestAuthorize gives GetCart each kind of rule about who may call it.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	user, nobody := methodv1.Authentication_AUTHENTICATION_USER, methodv1.Authentication_AUTHENTICATION_NONE
	for name, tc := range map[string]struct {
		rule   methodv1.Authentication
		roles  []string
		token  string
		code   connect.Code // 0: it is called
		reason string
	}{
		"anyone, no token":        {rule: nobody},
		"anyone, a bad token":     {rule: nobody, token: "eve"},
		"users, no token":         {rule: user, code: connect.CodeUnauthenticated, reason: "TOKEN_MISSING"},
		"users, a bad token":      {rule: user, token: "eve", code: connect.CodeUnauthenticated, reason: "TOKEN_INVALID"},
		"users, a customer":       {rule: user, token: "ada"},
		"support, a customer":     {rule: user, roles: []string{"support"}, token: "ada", code: connect.CodePermissionDenied, reason: "ROLE_MISSING"},
		"support, support":        {rule: user, roles: []string{"admin", "support"}, token: "sue"},
		"support, a bad token":    {rule: user, roles: []string{"support"}, token: "eve", code: connect.CodeUnauthenticated, reason: "TOKEN_INVALID"},
		"no row, whoever it is":   {token: "sue", code: connect.CodePermissionDenied, reason: "ROLE_MISSING"},
		"no row, without a token": {code: connect.CodePermissionDenied, reason: "ROLE_MISSING"},
	} {
		mux := http.NewServeMux()
		mux.Handle(cartv1connect.NewCartServiceHandler(openCart{}, connect.WithInterceptors(
			rpc.Errors(slog.New(slog.DiscardHandler)), rpc.Authorize(cartsBy(t, tc.rule, tc.roles)))))
		s := httptest.NewServer(rpc.Authenticate(tokens{"ada": {UserID: "ada"}, "sue": {UserID: "sue", Role: "support"}}, mux))
		t.Cleanup(s.Close)
		ctx := t.Context()
		if tc.token != "" {
			ctx = rpctest.As(ctx, tc.token)
		}
		_, err := cartv1connect.NewCartServiceClient(s.Client(), s.URL).GetCart(ctx, &cartv1.GetCartRequest{})
		if tc.code != 0 {
			rpctest.Refused(t, name, err, tc.code, tc.reason)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// openCart answers whoever gets through.
type openCart struct {
	cartv1connect.UnimplementedCartServiceHandler
}

func (openCart) GetCart(context.Context, *cartv1.GetCartRequest) (*cartv1.GetCartResponse, error) {
	return &cartv1.GetCartResponse{}, nil
}

// cartsBy is the table of the cart service with another rule for GetCart, and without it when the rule is unspecified.
func cartsBy(t *testing.T, rule methodv1.Authentication, roles []string) *method.Table {
	t.Helper()
	text := protodesc.ToFileDescriptorProto(cartv1.File_meridian_cart_v1_cart_proto)
	methods := text.GetService()[0].GetMethod()
	if methods[0].GetName() != "GetCart" {
		t.Fatal("GetCart is not the first method")
	}
	if rule == methodv1.Authentication_AUTHENTICATION_UNSPECIFIED {
		text.GetService()[0].Method = methods[1:]
	} else {
		options, _ := proto.Clone(methods[0].GetOptions()).(*descriptorpb.MethodOptions)
		proto.SetExtension(options, methodv1.E_Authentication, rule)
		proto.SetExtension(options, methodv1.E_Roles, roles)
		methods[0].Options = options
	}
	var file protoreflect.FileDescriptor
	file, err := protodesc.NewFile(text, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	table, err := method.NewTable(file)
	if err != nil {
		t.Fatal(err)
	}
	return table
}
