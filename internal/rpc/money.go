package rpc

import (
	checkoutv1 "github.com/meridian-commerce/meridian/api/gen/meridian/checkout/v1"
	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/checkout"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Money writes an amount as its message.
func Money(m money.Money) *moneyv1.Money {
	return &moneyv1.Money{MinorUnits: m.Minor, Currency: string(m.Currency)}
}

// ReadMoney reads an amount from its message. nil is the zero Money; any other has a currency, since an empty message is
// one that its sender left incomplete. Errors are fault.Invalid (CURRENCY_UNKNOWN).
func ReadMoney(m *moneyv1.Money) (money.Money, error) {
	if m == nil {
		return money.Money{}, nil
	}
	currency, err := money.ParseCurrency(m.GetCurrency())
	if err != nil {
		return money.Money{}, fault.Wrap(err, fault.Invalid, "CURRENCY_UNKNOWN", "an amount has minor_units and a currency, an ISO 4217 code such as EUR")
	}
	return money.Money{Minor: m.GetMinorUnits(), Currency: currency}, nil
}

// Adjustments writes what rules of pricing adjusted as its messages.
func Adjustments(all []checkout.Adjustment) []*checkoutv1.Adjustment {
	var out []*checkoutv1.Adjustment
	for _, a := range all {
		out = append(out, &checkoutv1.Adjustment{Source: a.Source, Kind: string(a.Kind), Sku: a.SKU, Amount: Money(a.Amount), Code: a.Code})
	}
	return out
}
