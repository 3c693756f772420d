// Streams: how they end when time is over, when nobody has the method, when the order is final, and when a region is lost.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once as happened } from "node:events";
import { connect } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import { after, test } from "node:test";

import { Code } from "@connectrpc/connect";
import { EventSource } from "eventsource";

import { OrderState } from "../gen/meridian/order/v1/order_pb.js";
import type { WatchOrderResponse } from "../gen/meridian/order/v1/order_pb.js";
import { once, settled } from "../src/meridian.js";
import { hangUp, ireland, protocols, refused, Shopper, simulation, virginia } from "./shop.js";

const sku = "STA-12";
const within = { timeout: 120_000 };

after(hangUp);

/** Where an order's events are for who cannot send a header. */
async function eventsOf(ada: Shopper, order: string): Promise<string> {
  const path = `/v1/orders/${order}/events`;
  const { ticket } = await ada.shop.account.createStreamTicket({ path });
  return `${ireland}${path}?ticket=${encodeURIComponent(ticket)}`;
}

test("EventSource shows an order until it is final, and stays away then", within, async () => {
  const ada = await new Shopper(ireland).signUp();
  const url = await eventsOf(ada, await ada.order(sku));
  const source = new EventSource(url);
  const seen: string[] = [];
  for (const state of ["pending_payment", "confirmed", "fulfilled", "canceled"]) {
    source.addEventListener(state, (event) => seen.push(`${event.lastEventId} ${state} ${JSON.parse(event.data).version}`));
  }
  // When the stream ends it comes back by itself, with Last-Event-ID, and is told that there is no more to come.
  const closed = await new Promise<number | undefined>((resolve) => {
    source.onerror = (error) => {
      if (source.readyState === EventSource.CLOSED) {
        resolve(error.code);
      }
    };
  });
  assert.equal(closed, 204);
  assert.equal(seen.at(-1), "3 fulfilled 3");
  assert.equal(new Set(seen).size, seen.length, `twice: ${seen}`);

  const again = await fetch(url, { headers: { "Last-Event-ID": "2" } });
  assert.equal(again.headers.get("X-Accel-Buffering"), "no");
  assert.match(await again.text(), /^id: 3\nevent: fulfilled\n/);
  assert.equal((await fetch(url.replace(/ord_\w+/, "$&x"))).status, 401);
  assert.equal((await fetch(url.replace(/\?.*/, ""))).status, 401);
});

test("a method that nobody has is refused while its body is open", within, async () => {
  const session = connect(ireland);
  const request = session.request({
    ":method": "POST", ":path": "/meridian.order.v1.OrderService/Nothing", "content-type": "application/grpc", te: "trailers",
  });
  request.resume();
  const [trailers] = (await happened(request, "trailers")) as [IncomingHttpHeaders];
  assert.equal(trailers["grpc-status"], `${Code.Unimplemented}`);
  session.destroy();
});

test("a stream ends when its time is over, by the server's clock too", within, async () => {
  await simulation("kill", "provider"); // so that orders stay as they are
  const ada = await new Shopper(ireland).signUp();
  const id = await ada.order(sku);
  // By these headers the server knows of a deadline that the client does not keep itself.
  const headers = { "Connect-Timeout-Ms": "500", "Grpc-Timeout": "500m" };
  const shoppers = protocols.flatMap((protocol) => [ireland, virginia].map((edge) => ada.at(edge, protocol).shop));
  await Promise.all(shoppers.flatMap(({ order }) => [
    refused(drain(order.watchOrder({ id }, { headers })), Code.DeadlineExceeded, "DEADLINE_EXCEEDED"),
    refused(drain(order.watchOrder({ id }, { timeoutMs: 500 })), Code.DeadlineExceeded),
  ]));
});

async function drain(stream: AsyncIterable<WatchOrderResponse>): Promise<void> {
  for await (const { order } of stream) {
    assert.equal(order?.state, OrderState.PENDING_PAYMENT);
  }
}

test("a stream whose region is lost says so, and the shopper goes on elsewhere", within, async () => {
  const ada = await new Shopper(ireland).signUp();
  const id = await ada.order(sku);
  const headers = { "Meridian-Region": "eu-west-1" }; // and no other serves the stream
  const streams = protocols.map((protocol) =>
    ada.at(virginia, protocol).shop.order.watchOrder({ id }, { headers })[Symbol.asyncIterator](),
  );
  for (const stream of streams) {
    assert.equal((await stream.next()).value?.order?.id, id);
  }
  await simulation("kill", "eu-west-1");
  for (const stream of streams) {
    await refused(stream.next(), Code.Unavailable, "ANSWER_BROKEN");
  }
  const { cart, order } = ada.at(virginia, "gRPC").shop;
  await settled(() => cart.setItem({ sku, quantity: 1 }));
  const placed = await settled(() => order.placeOrder({}, once(randomUUID())));
  assert.equal(placed.order?.state, OrderState.PENDING_PAYMENT);
  await simulation("heal", "eu-west-1");
  await simulation("heal", "provider");
});
