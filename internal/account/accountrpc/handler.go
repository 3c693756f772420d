// Package accountrpc serves the account room over Connect.
package accountrpc

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	accountv1 "github.com/meridian-commerce/meridian/api/gen/meridian/account/v1"
	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/rpc"
	"github.com/meridian-commerce/meridian/regions"
)

// Handler implements accountv1connect.AccountServiceHandler.
type Handler struct {
	service *account.Service
	region  regions.Name // this stack's own
}

// New returns a Handler of a stack in that region.
func New(s *account.Service, region regions.Name) *Handler { return &Handler{s, region} }

// SignUp implements the method. The home region is where the edge located the caller; without an edge in
// front it is this stack's own.
func (h *Handler) SignUp(ctx context.Context, r *accountv1.SignUpRequest) (*accountv1.SignUpResponse, error) {
	home := regions.Name(rpc.Header(ctx, "Meridian-Caller-Region"))
	if home == "" {
		home = h.region
	}
	s, err := h.service.SignUp(ctx, account.SignUp{
		Email: r.GetEmail(), Password: r.GetPassword(), DisplayName: r.GetDisplayName(), Currency: r.GetCurrency(),
		Home: home, Country: rpc.Header(ctx, "Meridian-Caller-Country"),
	})
	if err != nil {
		return nil, err
	}
	return &accountv1.SignUpResponse{
		Account: message(s.Account), AccessToken: s.Token, AccessTokenExpireTime: timestamppb.New(s.Expires),
	}, nil
}

// SignIn implements the method.
func (h *Handler) SignIn(ctx context.Context, r *accountv1.SignInRequest) (*accountv1.SignInResponse, error) {
	s, err := h.service.SignIn(ctx, r.GetEmail(), r.GetPassword())
	if err != nil {
		return nil, err
	}
	return &accountv1.SignInResponse{
		Account: message(s.Account), AccessToken: s.Token, AccessTokenExpireTime: timestamppb.New(s.Expires),
	}, nil
}

// GetAccount implements the method.
func (h *Handler) GetAccount(ctx context.Context, _ *accountv1.GetAccountRequest) (*accountv1.GetAccountResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	a, err := h.service.Account(ctx, caller.Home, caller.UserID)
	if err != nil {
		return nil, err
	}
	return &accountv1.GetAccountResponse{Account: message(a)}, nil
}

// SetCurrency implements the method.
func (h *Handler) SetCurrency(ctx context.Context, r *accountv1.SetCurrencyRequest) (*accountv1.SetCurrencyResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	a, err := h.service.SetCurrency(ctx, caller.Home, caller.UserID, r.GetCurrency())
	if err != nil {
		return nil, err
	}
	return &accountv1.SetCurrencyResponse{Account: message(a)}, nil
}

// CreateStreamTicket implements the method.
func (h *Handler) CreateStreamTicket(ctx context.Context, r *accountv1.CreateStreamTicketRequest) (*accountv1.CreateStreamTicketResponse, error) {
	caller, err := rpc.CallerOf(ctx)
	if err != nil {
		return nil, err
	}
	ticket, expires, err := h.service.Ticket(caller.Home, caller.UserID, caller.Currency, r.GetPath())
	if err != nil {
		return nil, err
	}
	return &accountv1.CreateStreamTicketResponse{Ticket: ticket, ExpireTime: timestamppb.New(expires)}, nil
}

func message(a account.Account) *accountv1.Account {
	return &accountv1.Account{
		Id: a.ID, Email: a.Email, DisplayName: a.DisplayName, HomeRegion: string(a.Home), Country: a.Country,
		Currency: string(a.Currency), CreateTime: timestamppb.New(a.CreatedAt),
	}
}
