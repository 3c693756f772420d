package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	orderv1 "github.com/meridian-commerce/meridian/api/gen/meridian/order/v1"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

const (
	sku    = "APP-01-S-OATMEAL"
	handle = "fishermans-rib-sweater"
)

func TestLoss(t *testing.T) {
	t.Parallel()
	c := start(t, "")
	ada := signUp(t, edgeOf(t, c.Plan(), "eu-west-1"), "IE", "ada")
	if got := ada.account.GetHomeRegion(); got != "eu-west-1" {
		t.Fatalf("a sign-up from Ireland is at home in %s", got)
	}

	t.Run("redis", func(t *testing.T) {
		if _, err := c.Kill(t.Context(), "eu-west-1/redis"); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := ada.product(handle); err != nil {
				t.Errorf("with Redis lost: %v", err)
			}
		}
		if err := ada.setItem(sku, 1); err != nil {
			t.Errorf("with Redis lost: %v", err)
		}
		if _, err := ada.place("with-redis-lost"); err != nil {
			t.Errorf("with Redis lost: %v", err)
		}
		if err := c.Heal(t.Context(), "eu-west-1/redis"); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("region", func(t *testing.T) {
		before := ada.buy(sku) // its payment may be under way when the region dies
		if _, err := c.Kill(t.Context(), "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		ada.edge = edgeOf(t, c.Plan(), "us-east-1")
		if err := ada.product(handle); err != nil {
			t.Errorf("browsing elsewhere: %v", err)
		}
		during := ada.buy(sku)
		ada.await(before.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		ada.await(during.GetId(), orderv1.OrderState_ORDER_STATE_FULFILLED)
		if err := c.Heal(t.Context(), "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		ada.edge = edgeOf(t, c.Plan(), "eu-west-1")
		after := ada.buy(sku)
		ada.await(after.GetId(), orderv1.OrderState_ORDER_STATE_CONFIRMED)
	})
}

func TestFourRegions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "regions.yaml")
	if err := os.WriteFile(file, deploytest.FourRegions(t), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, file)
	eva := signUp(t, edgeOf(t, c.Plan(), "sa-east-1"), "UY", "eva")
	if got := eva.account.GetHomeRegion(); got != "sa-east-1" {
		t.Fatalf("a sign-up from Uruguay is at home in %s", got)
	}
	placed := eva.buy(sku)
	eva.await(placed.GetId(), orderv1.OrderState_ORDER_STATE_CONFIRMED)
}
