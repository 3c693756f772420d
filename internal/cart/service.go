package cart

import (
	"cmp"
	"context"
	"slices"

	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/regions"
)

// Store keeps carts at home. It is safe for concurrent use; errors are *fault.Error.
type Store interface {
	// Find reads a cart; the zero Cart if there is none.
	Find(ctx context.Context, home regions.Name, userID string) (Cart, error)
	// Change reads a cart, lets change decide and writes the result, in one transaction; nothing is written
	// when the version stays. The error of change is returned as it is.
	Change(ctx context.Context, home regions.Name, userID string, change func(Cart) (Cart, error)) (Cart, error)
}

// Offers knows what is sold. It reads GLOBAL data only, and is safe for concurrent use.
type Offers interface {
	// Offers returns what variants cost in a currency; those that nobody sells are not among them.
	Offers(ctx context.Context, variants []string, currency money.Currency) (map[string]checkout.Offer, error)
	// Offer returns the id of the variant that has a SKU, or had it last, and what it costs; nil: nobody sells it. Of a SKU
	// that it does not know it returns the SKU.
	Offer(ctx context.Context, sku string, currency money.Currency) (variant string, offer *checkout.Offer, err error)
}

// Promotions knows what the shop takes off. It reads GLOBAL data only, and is safe for concurrent use.
type Promotions interface {
	// Rules returns the rules of the promotions that run: of the automatic ones, and of those that have one of the codes.
	Rules(ctx context.Context, codes []string) (checkout.Rules, error)
	// Admit returns a code in its one form, if a promotion that runs has it. Errors: fault.NotFound (PROMOTION_CODE_UNKNOWN),
	// fault.FailedPrecondition (PROMOTION_CODE_EXPIRED).
	Admit(ctx context.Context, given string) (code string, err error)
}

// Owner is whose cart it is.
type Owner struct {
	UserID   string
	Home     regions.Name
	Currency money.Currency // as her access token says; the cart knows if she has changed it since
}

// Priced is a cart and what it costs now.
type Priced struct {
	Cart
	Quote *checkout.Quote // nil: what it costs could not be found out, after the cart was changed
}

// Service is the cart room's behavior. It is safe for concurrent use.
type Service struct {
	store      Store
	offers     Offers
	promotions Promotions
	rules      checkout.Rules
}

// New returns a Service that prices carts by promotions and then by these rules, in their order. For carts to show what
// orders cost, they must be those of the order room.
func New(s Store, o Offers, p Promotions, rules ...checkout.Rule) *Service {
	return &Service{s, o, p, rules}
}

// Cart returns a user's cart and its quote. Errors: fault.Unavailable, and those of checkout.Rules.Quote.
func (s *Service) Cart(ctx context.Context, of Owner) (Priced, error) {
	c, err := s.store.Find(ctx, of.Home, of.UserID)
	if err != nil {
		return Priced{}, err
	}
	q, err := s.quote(ctx, c, of.Currency)
	if err != nil {
		return Priced{}, err
	}
	return Priced{c, &q}, nil
}

// SetItem sets how many units of the variant that has a SKU, or had it last, are in a user's cart, if the cart still has
// that etag (empty: whatever it has). Errors: fault.Invalid, fault.NotFound (SKU_NOT_FOUND), fault.Aborted (CART_CHANGED).
func (s *Service) SetItem(ctx context.Context, of Owner, sku string, quantity int64, etag string) (Priced, error) {
	variant, offer, err := s.offers.Offer(ctx, sku, of.Currency)
	if err != nil {
		return Priced{}, err
	}
	if offer == nil && quantity > 0 {
		return Priced{}, fault.New(fault.NotFound, "SKU_NOT_FOUND", "there is no product with SKU %.80q", sku)
	}
	return s.set(ctx, of, variant, quantity, etag, offer)
}

// SetVariant is SetItem of a variant by its id.
func (s *Service) SetVariant(ctx context.Context, of Owner, variant string, quantity int64, etag string) (Priced, error) {
	offers, err := s.offers.Offers(ctx, []string{variant}, of.Currency)
	if err != nil {
		return Priced{}, err
	}
	offer, sold := offers[variant]
	if !sold && quantity > 0 {
		return Priced{}, fault.New(fault.NotFound, "SKU_NOT_FOUND", "there is no variant %.80q", variant)
	}
	return s.set(ctx, of, variant, quantity, etag, &offer)
}

// set changes a cart. Without an offer, what is withdrawn can still be taken out.
func (s *Service) set(ctx context.Context, of Owner, variant string, quantity int64, etag string, offer *checkout.Offer) (Priced, error) {
	var price money.Money
	if offer != nil {
		price = offer.Price
	}
	return s.shown(ctx, of)(s.put(ctx, of, variant, quantity, etag, price))
}

// AddCode puts a promotion code into a user's cart, if the cart still has that etag (empty: whatever it has). That a minimum is
// not reached yet is no reason to refuse it. Errors: fault.NotFound (PROMOTION_CODE_UNKNOWN), fault.FailedPrecondition
// (PROMOTION_CODE_EXPIRED), fault.Invalid (PROMOTION_CODES_TOO_MANY), fault.Aborted (CART_CHANGED).
func (s *Service) AddCode(ctx context.Context, of Owner, given, etag string) (Priced, error) {
	code, err := s.promotions.Admit(ctx, given)
	if err != nil {
		return Priced{}, err
	}
	return s.shown(ctx, of)(s.change(ctx, of, etag, func(c Cart) (Cart, error) { return c.WithCode(code) }))
}

// RemoveCode takes a promotion code out of a user's cart, whatever became of the promotion. Errors: fault.Aborted (CART_CHANGED).
func (s *Service) RemoveCode(ctx context.Context, of Owner, code, etag string) (Priced, error) {
	return s.shown(ctx, of)(s.change(ctx, of, etag, func(c Cart) (Cart, error) { return c.WithoutCode(code), nil }))
}

// change changes a cart that has an etag.
func (s *Service) change(ctx context.Context, of Owner, etag string, how func(Cart) (Cart, error)) (Cart, error) {
	return s.store.Change(ctx, of.Home, of.UserID, func(c Cart) (Cart, error) {
		if err := c.Matches(etag); err != nil {
			return c, err
		}
		return how(c)
	})
}

// shown prices a cart that was changed, unless changing it failed.
func (s *Service) shown(ctx context.Context, of Owner) func(Cart, error) (Priced, error) {
	return func(c Cart, err error) (Priced, error) {
		if err != nil {
			return Priced{}, err
		}
		priced := Priced{Cart: c}
		// The change is committed. An error would say that nothing was done; the caller can read the cart instead.
		if q, err := s.quote(ctx, c, of.Currency); err == nil {
			priced.Quote = &q
		}
		return priced, nil
	}
}

// put writes units of a variant that costs price in the token's currency. Only the cart itself, once it is read, says if its
// owner has changed hers since; then nothing is written until the price in that one is known.
func (s *Service) put(ctx context.Context, of Owner, variant string, quantity int64, etag string, price money.Money) (Cart, error) {
	for priced := of.Currency; ; {
		in := priced
		c, err := s.change(ctx, of, etag, func(c Cart) (Cart, error) {
			if in = cmp.Or(c.Currency, of.Currency); in != priced && quantity > 0 {
				return c, nil
			}
			return c.With(variant, quantity, price)
		})
		if err != nil || in == priced || quantity <= 0 {
			return c, err
		}
		offers, err := s.offers.Offers(ctx, []string{variant}, in)
		if err != nil {
			return c, err
		}
		priced, price = in, offers[variant].Price
	}
}

func (s *Service) quote(ctx context.Context, c Cart, token money.Currency) (checkout.Quote, error) {
	of := c.Checkout(token)
	if len(of.Items) == 0 {
		return s.rules.Quote(of, nil)
	}
	offers, err := s.offers.Offers(ctx, c.Variants(), of.Currency)
	if err != nil {
		return checkout.Quote{}, err
	}
	promotions, err := s.promotions.Rules(ctx, c.Codes)
	if err != nil {
		return checkout.Quote{}, err
	}
	return slices.Concat(promotions, s.rules).Quote(of, offers)
}
