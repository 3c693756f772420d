package app

import (
	"context"
	"maps"
	"slices"

	"github.com/meridian-commerce/meridian/api/gen/meridian/account/v1/accountv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/cart/v1/cartv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/catalog/v1/catalogv1connect"
	"github.com/meridian-commerce/meridian/api/gen/meridian/order/v1/orderv1connect"
	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/accountrpc"
	"github.com/meridian-commerce/meridian/internal/account/accountsql"
	"github.com/meridian-commerce/meridian/internal/account/password"
	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartrpc"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogcache"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogrpc"
	"github.com/meridian-commerce/meridian/internal/catalog/catalogsql"
	"github.com/meridian-commerce/meridian/internal/catalog/views"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/order/ordermetrics"
	"github.com/meridian-commerce/meridian/internal/order/orderrpc"
	"github.com/meridian-commerce/meridian/internal/order/ordersql"
	"github.com/meridian-commerce/meridian/internal/promotion/promotioncache"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

// modules is the module graph: each name of -target and what it adds to a stack.
func modules() map[string]func(ctx context.Context, s *stack) error {
	return map[string]func(ctx context.Context, s *stack) error{
		"account": accountModule,
		"cart":    cartModule,
		"catalog": catalogModule,
		"order":   orderModule,
		"payment": paymentModule,
		"relay":   relayModule,
	}
}

func moduleNames() []string { return slices.Sorted(maps.Keys(modules())) }

func accountModule(_ context.Context, s *stack) error {
	if err := s.config.Require("account.directory_key_file"); err != nil {
		return err
	}
	directoryKey, err := s.config.Account.DirectoryKey()
	if err != nil {
		return err
	}
	fallback, err := s.config.Account.Fallback()
	if err != nil {
		return err
	}
	issuer, err := s.keys.Signer()
	if err != nil {
		return err
	}
	attempts, err := s.signIns()
	if err != nil {
		return err
	}
	service, err := account.New(account.Config{
		Store: accountsql.New(s.db), Shop: catalogsql.New(s.db, s.regions, s.clock), Fallback: fallback, Hasher: password.New(),
		Attempts: attempts, Issuer: issuer, Regions: s.regions, DirectoryKey: directoryKey, Clock: s.clock,
	})
	if err != nil {
		return err
	}
	return s.serve(accountv1connect.NewAccountServiceHandler(accountrpc.New(service, s.config.Region), s.handlers...))
}

func catalogModule(_ context.Context, s *stack) error {
	products := catalogsql.New(s.db, s.regions, s.clock)
	listener, err := catalogcache.NewListener(s.config.Region, products, s.cache, s.telemetry.Logger, s.telemetry.Metrics)
	if err != nil {
		return err
	}
	counter, err := views.New(s.config.Region, s.cache, products, s.telemetry.Logger, s.telemetry.Metrics)
	if err != nil {
		return err
	}
	s.background = append(s.background, listener.Run, counter.Run)
	store := views.Counted(catalogcache.New(products, s.cache, s.cacheStatus), counter)
	return s.serve(catalogv1connect.NewCatalogServiceHandler(catalogrpc.New(catalog.New(store), s.regions, s.config.Region), s.handlers...))
}

func cartModule(_ context.Context, s *stack) error {
	products := catalogsql.New(s.db, s.regions, s.clock)
	// A cart is priced by many products, so none of them sets the answer's Cache-Status, and none counts as viewed.
	silent := func(context.Context, cache.Status) {}
	offers, err := catalogcache.NewOffers(catalogcache.New(products, s.cache, silent), products)
	if err != nil {
		return err
	}
	promotions := promotioncache.New(promotionsql.New(s.db), s.cache)
	service := cart.New(cartsql.New(s.db, s.clock), offers, promotions, pricing()...)
	return s.serve(cartv1connect.NewCartServiceHandler(cartrpc.New(service), s.handlers...))
}

// pricing is the rules that everything is priced by after promotions, in the order in which they apply. Carts show and orders take what
// they come to, so that both rooms are given the same; a new rule is a line here.
func pricing() checkout.Rules {
	return checkout.Rules{}
}

// cacheStatus says on the answer where the regional cache had its value from (RFC 9211).
func (s *stack) cacheStatus(ctx context.Context, status cache.Status) {
	rpc.SetHeader(ctx, "Cache-Status", status.Header("meridian-"+string(s.config.Region)))
}

func orderModule(_ context.Context, s *stack) error {
	store, err := ordermetrics.New(ordersql.New(s.db, pricing()...), s.telemetry.Metrics)
	if err != nil {
		return err
	}
	watchers := order.NewWatchers(store, s.orders, s.regions, s.telemetry.Logger)
	s.background = append(s.background, watchers.Run)
	handler := orderrpc.New(order.New(store, s.regions, watchers), s.draining)
	if err := s.serve("GET /v1/orders/{id}/events", handler.Events()); err != nil {
		return err
	}
	return s.serve(orderv1connect.NewOrderServiceHandler(handler, s.handlers...))
}
