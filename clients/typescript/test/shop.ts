// The simulation that the cases run against, and who calls there. MERIDIAN_NET is its --net.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { Code, ConnectError } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import type { Account } from "../gen/meridian/account/v1/account_pb.js";
import { bearer, once, reasonOf, services } from "../src/meridian.js";

const net = process.env["MERIDIAN_NET"] ?? "0";

export const ireland = `http://127.${net}.2.10:8080`;
export const virginia = `http://127.${net}.1.10:8080`;

const control = `http://127.${net}.0.3:7070/api`;

/** Kills a target, or heals it, which takes until all of it is ready. */
export async function simulation(what: "kill" | "heal", target: string): Promise<void> {
  const answer = await fetch(`${control}/${what}?target=${target}`, { method: "POST" });
  assert.equal(answer.status, 200, await answer.text());
}

export type Protocol = "Connect" | "gRPC" | "gRPC-Web";

/** Connect and gRPC-Web as a browser speaks them, by fetch, and gRPC over HTTP/2. */
export const protocols: Protocol[] = ["Connect", "gRPC", "gRPC-Web"];

const sessions: Http2SessionManager[] = [];

/** Ends what keeps the process. */
export function hangUp(): void {
  for (const session of sessions) {
    session.abort();
  }
}

/** A shopper at an edge. */
export class Shopper {
  account?: Account;
  token = "";
  readonly shop;

  constructor(edge: string, protocol: Protocol = "Connect") {
    this.shop = services(transport(edge, protocol, () => this.token));
  }

  /** The same shopper elsewhere. */
  at(edge: string, protocol: Protocol): Shopper {
    return Object.assign(new Shopper(edge, protocol), { account: this.account, token: this.token });
  }

  /** Signs up where a network says that the caller is in a country. */
  async signUp(country = "IE", displayName = "Ada"): Promise<this> {
    const answer = await this.shop.account.signUp(
      { email: `${randomUUID()}@example.com`, password: "correct horse battery", displayName },
      { headers: { "CF-IPCountry": country } },
    );
    this.account = answer.account;
    this.token = answer.accessToken;
    return this;
  }

  async order(sku: string): Promise<string> {
    const { cart, order } = this.shop;
    await cart.setItem({ sku, quantity: 1 });
    const { order: placed } = await order.placeOrder({}, once(randomUUID()));
    assert.ok(placed);
    return placed.id;
  }
}

function transport(baseUrl: string, protocol: Protocol, token: () => string): Transport {
  const options = { baseUrl, interceptors: [bearer(token)] };
  switch (protocol) {
    case "Connect":
      return createConnectTransport({ ...options, useHttpGet: true });
    case "gRPC-Web":
      return createGrpcWebTransport(options);
    case "gRPC": {
      const sessionManager = new Http2SessionManager(baseUrl);
      sessions.push(sessionManager);
      return createGrpcTransport({ ...options, sessionManager });
    }
  }
}

/** Holds a call to its refusal: a code and, unless the client itself may have given up, a reason. */
export async function refused(call: Promise<unknown>, code: Code, reason?: string): Promise<void> {
  await assert.rejects(call, (failure: unknown) => {
    const error = ConnectError.from(failure);
    assert.deepEqual([Code[error.code], reason && reasonOf(error)], [Code[code], reason], error.message);
    return true;
  });
}
