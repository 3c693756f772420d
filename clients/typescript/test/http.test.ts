// What a client of HTTP meets that no protocol of a generated client tells.
import assert from "node:assert/strict";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { before, test } from "node:test";

import { ireland, Shopper } from "./shop.js";

const json = { "Content-Type": "application/json" };
const getCart = "/meridian.cart.v1.CartService/GetCart";
const listProducts = "/meridian.catalog.v1.CatalogService/ListProducts";
const products = `${listProducts}?connect=v1&encoding=json&message={}`;

let signedIn: Record<string, string> = {};

before(async () => {
  signedIn = { Authorization: `Bearer ${(await new Shopper(ireland).signUp()).token}` };
});

const refusals: Record<string, { path: string; request: RequestInit; status: number; code: string; reason: string }> = {
  "malformed JSON": {
    path: listProducts, request: { method: "POST", headers: json, body: '{"pageSize":' },
    status: 400, code: "invalid_argument", reason: "MESSAGE_INVALID",
  },
  "a wrong type": {
    path: listProducts, request: { method: "POST", headers: json, body: '{"pageSize":"many"}' },
    status: 400, code: "invalid_argument", reason: "MESSAGE_INVALID",
  },
  "an unknown path": { path: "/products", request: {}, status: 404, code: "unimplemented", reason: "METHOD_UNKNOWN" },
  "an unknown method": {
    path: `${listProducts}All`, request: { method: "POST", headers: json, body: "{}" },
    status: 404, code: "unimplemented", reason: "METHOD_UNKNOWN",
  },
  "another HTTP method": { path: listProducts, request: { method: "DELETE" }, status: 405, code: "unimplemented", reason: "METHOD_NOT_ALLOWED" },
  "another type": {
    path: listProducts, request: { method: "POST", headers: { "Content-Type": "text/csv" }, body: "page_size" },
    status: 415, code: "unimplemented", reason: "CONTENT_TYPE_UNKNOWN",
  },
  "too long": {
    path: listProducts, request: { method: "POST", headers: json, body: JSON.stringify({ category: "x".repeat(1 << 20) }) },
    status: 413, code: "resource_exhausted", reason: "BODY_TOO_LARGE",
  },
  "no token": { path: getCart, request: { method: "POST", headers: json, body: "{}" }, status: 401, code: "unauthenticated", reason: "TOKEN_MISSING" },
  "no token of ours": {
    path: getCart, request: { method: "POST", headers: { ...json, Authorization: "Bearer x" }, body: "{}" },
    status: 401, code: "unauthenticated", reason: "TOKEN_INVALID",
  },
};

for (const [name, want] of Object.entries(refusals)) {
  test(`${name} is refused with a reason`, async () => {
    const answer = await fetch(ireland + want.path, want.request);
    const text = await answer.text();
    const { code, details } = JSON.parse(text);
    assert.deepEqual([answer.status, code, details?.[0]?.debug?.reason], [want.status, want.code, want.reason], text);
    for (const leaked of ["*", "catalogv1", "unmarshal"]) {
      assert.ok(!text.includes(leaked), text);
    }
    assert.equal(answer.headers.has("Allow"), want.status === 405);
    assert.equal(answer.headers.has("WWW-Authenticate"), want.status === 401);
  });
}

test("the challenge says whether a token was at fault", async () => {
  const ask = async (headers: Record<string, string>) =>
    (await fetch(ireland + getCart, { method: "POST", headers: { ...json, ...headers }, body: "{}" })).headers.get("WWW-Authenticate");
  assert.equal(await ask({}), 'Bearer realm="meridian"');
  assert.equal(await ask({ Authorization: "Bearer x" }), 'Bearer realm="meridian", error="invalid_token"');
});

test("nothing personal is on an answer that caches may share", async () => {
  const personal = ["RateLimit", "RateLimit-Policy", "X-Request-Id", "traceparent", "Set-Cookie"];
  const shared = await fetch(ireland + products, { headers: { ...signedIn, "X-Request-Id": "mine" } });
  assert.match(shared.headers.get("Cache-Control") ?? "", /^public/);
  assert.deepEqual(personal.filter((name) => shared.headers.has(name)), []);
  const own = await fetch(ireland + getCart, { method: "POST", headers: { ...json, ...signedIn, "X-Request-Id": "mine" }, body: "{}" });
  assert.equal(own.headers.get("Cache-Control"), "private, no-store");
  assert.equal(own.headers.get("X-Request-Id"), "mine");
  assert.ok(own.headers.has("RateLimit"));
});

test("a HEAD is a GET without its body", async () => {
  const whole = await fetch(ireland + products);
  const head = await fetch(ireland + products, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
  for (const name of ["Content-Type", "Cache-Control", "ETag"]) {
    assert.equal(head.headers.get(name), whole.headers.get(name), name);
  }
  assert.equal((await fetch(ireland + products, { headers: { "If-None-Match": whole.headers.get("ETag") ?? "" } })).status, 304);
});

test("an answer is packed as the caller likes best", async () => {
  const magic = { zstd: "28b52ffd", gzip: "1f8b" };
  for (const [accept, want] of [["zstd, gzip", "zstd"], ["gzip, deflate, br, zstd", "zstd"], ["gzip;q=1, zstd;q=0.5", "gzip"]] as const) {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      get(ireland + products, { headers: { "Accept-Encoding": accept } }, resolve).on("error", reject);
    });
    const packed = Buffer.concat(await answer.toArray());
    assert.equal(answer.headers["content-encoding"], want, accept);
    assert.ok(packed.toString("hex").startsWith(magic[want]), accept);
  }
});

test("an edge's address says what is there", async () => {
  const card = (await (await fetch(ireland)).json()) as { name: string; services: string[] };
  assert.equal(card.name, "Meridian");
  assert.ok(card.services.includes("meridian.order.v1.OrderService"));
});
