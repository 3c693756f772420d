// What generated clients call, over each protocol.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";

import { Code } from "@connectrpc/connect";

import { OrderState } from "../gen/meridian/order/v1/order_pb.js";
import { once } from "../src/meridian.js";
import { hangUp, ireland, protocols, refused, Shopper } from "./shop.js";

const sku = "STA-12";

after(hangUp);

for (const protocol of protocols) {
  test(`${protocol}: a shopper browses, fills the cart, and orders once`, async () => {
    const ada = await new Shopper(ireland, protocol).signUp();
    const { account, cart, catalog, order } = ada.shop;
    assert.equal(ada.account?.homeRegion, "eu-west-1");
    assert.deepEqual((await account.getAccount({})).account, ada.account);

    const first = await catalog.listProducts({ pageSize: 2 });
    const second = await catalog.listProducts({ pageSize: 2, pageToken: first.nextPageToken });
    const handles = [...first.products, ...second.products].map((product) => product.handle);
    assert.equal(new Set(handles).size, 4, "two pages have a product twice");
    const { product } = await catalog.getProduct({ handle: "kraft-packing-tape" });
    const price = product?.variants.find((variant) => variant.sku === sku)?.prices.find((money) => money.currency === "EUR");
    assert.ok(price);
    assert.ok((await catalog.searchProducts({ query: "packing tape" })).products.some((found) => found.handle === product?.handle));

    const filled = (await cart.setItem({ sku, quantity: 2 })).cart;
    assert.equal(filled?.total?.minorUnits, 2n * price.minorUnits);
    assert.deepEqual((await cart.getCart({})).cart, filled);

    const key = once(randomUUID());
    const placed = (await order.placeOrder({ cartEtag: filled.etag, expectedTotal: filled.total }, key)).order;
    assert.equal(placed?.state, OrderState.PENDING_PAYMENT);
    assert.deepEqual((await order.placeOrder({ cartEtag: filled.etag, expectedTotal: filled.total }, key)).order, placed);
    await refused(order.placeOrder({}, key), Code.InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert.equal((await order.getOrder({ id: placed.id })).order?.id, placed.id);
    assert.deepEqual((await order.listOrders({})).orders.map((one) => one.id), [placed.id]);
  });

  test(`${protocol}: what is refused has a reason`, async () => {
    const nobody = new Shopper(ireland, protocol).shop;
    await refused(nobody.cart.getCart({}), Code.Unauthenticated, "TOKEN_MISSING");
    await refused(nobody.catalog.getProduct({ handle: "none" }), Code.NotFound, "PRODUCT_NOT_FOUND");
    await refused(nobody.catalog.listProducts({ pageSize: -1 }), Code.InvalidArgument, "PAGE_SIZE_INVALID");
    await refused(nobody.order.placeOrder({}), Code.Unauthenticated, "TOKEN_MISSING");
  });
}

test("an amount that was forgotten is no amount", async () => {
  const { cart, order } = (await new Shopper(ireland).signUp()).shop;
  await refused(order.placeOrder({}), Code.InvalidArgument, "IDEMPOTENCY_KEY_MISSING");
  const filled = (await cart.setItem({ sku, quantity: 1 })).cart;
  await refused(cart.setItem({ sku }), Code.InvalidArgument, "QUANTITY_INVALID");
  assert.deepEqual((await cart.getCart({})).cart, filled);

  await refused(order.placeOrder({ expectedTotal: {} }, once(randomUUID())), Code.InvalidArgument, "CURRENCY_UNKNOWN");
  await refused(order.placeOrder({ expectedTotal: { currency: "EUR" } }, once(randomUUID())), Code.Aborted, "TOTAL_CHANGED");
  await refused(order.placeOrder({ cartEtag: '"0"' }, once(randomUUID())), Code.Aborted, "CART_CHANGED");
  assert.deepEqual((await order.listOrders({})).orders, []);
  assert.equal((await cart.setItem({ sku, quantity: 0 })).cart?.items.length, 0);
});

test("a page token is of its list", async () => {
  const { catalog } = new Shopper(ireland).shop;
  const { nextPageToken: pageToken } = await catalog.listProducts({ pageSize: 1 });
  assert.notEqual(pageToken, "");
  await refused(catalog.listProducts({ pageSize: 1, pageToken, category: "Books" }), Code.InvalidArgument, "PAGE_TOKEN_INVALID");
  await refused(catalog.searchProducts({ query: "packing tape", pageToken }), Code.InvalidArgument, "PAGE_TOKEN_INVALID");
  await refused(catalog.listProducts({ pageToken: "x" }), Code.InvalidArgument, "PAGE_TOKEN_INVALID");
});

test("a name shows as what it is", async () => {
  for (const name of ["Ada\u0007", "Ada\nLovelace", "Ada\u202Eecalevol"]) {
    await refused(new Shopper(ireland).signUp("IE", name), Code.InvalidArgument, "DISPLAY_NAME_INVALID");
  }
});

test("a proxy that does not know the country names none", async () => {
  const located = ["UK", "EU", "ZZ"].map(async (named) => (await new Shopper(ireland).signUp(named)).account?.country);
  assert.deepEqual(await Promise.all(located), ["GB", "", ""]);
});
