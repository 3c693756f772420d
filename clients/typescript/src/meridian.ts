// What generated code cannot know: who calls, which calls are one, and what to do about an error.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { CallOptions, Interceptor, Transport } from "@connectrpc/connect";

import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { AccountService } from "../gen/meridian/account/v1/account_pb.js";
import { CartService } from "../gen/meridian/cart/v1/cart_pb.js";
import { CatalogService } from "../gen/meridian/catalog/v1/catalog_pb.js";
import { OrderService } from "../gen/meridian/order/v1/order_pb.js";

/** The services of an edge. */
export function services(transport: Transport) {
  return {
    account: createClient(AccountService, transport),
    cart: createClient(CartService, transport),
    catalog: createClient(CatalogService, transport),
    order: createClient(OrderService, transport),
  };
}

/** Makes each call of a transport one of whoever has the access token. */
export function bearer(token: () => string): Interceptor {
  return (next) => (request) => {
    if (token() !== "") {
      request.header.set("Authorization", `Bearer ${token()}`);
    }
    return next(request);
  };
}

/** The options of a call that has its effect once, however often it is repeated with the same key. */
export function once(key: string): CallOptions {
  return { headers: { "Idempotency-Key": key } };
}

/** Why Meridian refused a call: one of docs/reference/errors.md, or "". */
export function reasonOf(failure: unknown): string {
  const info = ConnectError.from(failure).findDetails(ErrorInfoSchema)[0];
  return info?.domain === "meridian" ? info.reason : "";
}

/**
 * How many milliseconds to wait before a call is repeated, or undefined if that is of no use. Unavailable, and what says itself
 * when to come again, was not done; of unknown and deadline_exceeded nobody knows, and so only what has a key, or changes
 * nothing, may be repeated.
 */
export function repeatAfter(failure: unknown): number | undefined {
  const error = ConnectError.from(failure);
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  if (delay !== undefined) {
    return Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  }
  return [Code.Unavailable, Code.Unknown, Code.DeadlineExceeded].includes(error.code) ? 500 : undefined;
}

/** Repeats a call, which has a key or changes nothing, until it is known what became of it, or so many times. */
export async function settled<T>(call: () => Promise<T>, times = 20): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (failure) {
      const wait = repeatAfter(failure);
      if (wait === undefined || --times <= 0) {
        throw failure;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
