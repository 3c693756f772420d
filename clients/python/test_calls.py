"""What generated stubs call, and what gRPC's own tools find."""

import threading
import uuid

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from meridian.account.v1 import account_pb2
from meridian.cart.v1 import cart_pb2
from meridian.catalog.v1 import catalog_pb2
from meridian.money.v1 import money_pb2
from meridian.order.v1 import order_pb2
from simulation import PATIENCE, SKU, Case

INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Calls(Case):
    def test_a_shopper_browses_fills_the_cart_and_orders_once(self):
        ada = self.shopper()
        account = ada.account.GetAccount(account_pb2.GetAccountRequest(), metadata=ada.mine()).account
        self.assertEqual(account.home_region, "eu-west-1")
        first = ada.catalog.ListProducts(catalog_pb2.ListProductsRequest(page_size=2))
        second = ada.catalog.ListProducts(catalog_pb2.ListProductsRequest(page_size=2, page_token=first.next_page_token))
        self.assertEqual(len({product.handle for product in [*first.products, *second.products]}), 4)
        product = ada.catalog.GetProduct(catalog_pb2.GetProductRequest(handle="kraft-packing-tape")).product
        found = ada.catalog.SearchProducts(catalog_pb2.SearchProductsRequest(query="packing tape")).products
        self.assertIn(product.handle, [one.handle for one in found])

        cart = ada.cart.SetItem(cart_pb2.SetItemRequest(sku=SKU, quantity=2), metadata=ada.mine()).cart
        self.assertEqual(cart, ada.cart.GetCart(cart_pb2.GetCartRequest(), metadata=ada.mine()).cart)
        request, key = order_pb2.PlaceOrderRequest(cart_etag=cart.etag, expected_total=cart.total), str(uuid.uuid4())
        placed = ada.order.PlaceOrder(request, metadata=ada.mine(key)).order
        self.assertEqual(placed.total, cart.total)
        self.assertEqual(placed, ada.order.PlaceOrder(request, metadata=ada.mine(key)).order)
        listed = ada.order.ListOrders(order_pb2.ListOrdersRequest(), metadata=ada.mine()).orders
        self.assertEqual([one.id for one in listed], [placed.id])

    def test_an_amount_that_was_forgotten_is_no_amount(self):
        ada = self.shopper()
        cart = ada.cart.SetItem(cart_pb2.SetItemRequest(sku=SKU, quantity=1), metadata=ada.mine()).cart
        self.refused(INVALID, "QUANTITY_INVALID", ada.cart.SetItem, cart_pb2.SetItemRequest(sku=SKU), metadata=ada.mine())
        self.assertEqual(cart, ada.cart.GetCart(cart_pb2.GetCartRequest(), metadata=ada.mine()).cart)
        for expected, code, reason in [
            (money_pb2.Money(), INVALID, "CURRENCY_UNKNOWN"),
            (money_pb2.Money(currency="EUR"), grpc.StatusCode.ABORTED, "TOTAL_CHANGED"),
        ]:
            request = order_pb2.PlaceOrderRequest(expected_total=expected)
            self.refused(code, reason, ada.order.PlaceOrder, request, metadata=ada.mine(str(uuid.uuid4())))
        self.refused(INVALID, "IDEMPOTENCY_KEY_MISSING", ada.order.PlaceOrder, order_pb2.PlaceOrderRequest(), metadata=ada.mine())

    def test_a_page_token_is_of_its_list(self):
        edge = self.edge()
        token = edge.catalog.ListProducts(catalog_pb2.ListProductsRequest(page_size=1)).next_page_token
        for call, request in [
            (edge.catalog.ListProducts, catalog_pb2.ListProductsRequest(page_token=token, category="Books")),
            (edge.catalog.SearchProducts, catalog_pb2.SearchProductsRequest(page_token=token, query="packing tape")),
        ]:
            self.refused(INVALID, "PAGE_TOKEN_INVALID", call, request)

    def test_who_has_no_token_is_told(self):
        edge = self.edge(token="x")
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING", edge.cart.GetCart, cart_pb2.GetCartRequest())
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID", edge.cart.GetCart, cart_pb2.GetCartRequest(), metadata=edge.mine())

    def test_what_cannot_be_read_is_refused(self):
        edge = self.edge()
        garbage = edge.channel.unary_unary("/meridian.catalog.v1.CatalogService/GetProduct")
        self.refused(INVALID, "MESSAGE_INVALID", garbage, b"\x0a\xff", timeout=PATIENCE)
        large = catalog_pb2.GetProductRequest(handle="x" * (1 << 20))
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "BODY_TOO_LARGE", edge.catalog.GetProduct, large, timeout=PATIENCE)

    def test_a_method_that_nobody_has_is_refused_while_its_stream_is_open(self):
        edge = self.edge()
        ended = threading.Event()
        self.addCleanup(ended.set)

        def sending():
            yield b""
            ended.wait()

        nothing = edge.channel.stream_stream("/meridian.order.v1.OrderService/Nothing")
        self.refused(grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN", nothing, sending(), timeout=PATIENCE)

    def test_health(self):
        health = health_pb2_grpc.HealthStub(self.edge().channel)
        for service in ["", "meridian.order.v1.OrderService"]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)
        with self.assertRaises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="none"), timeout=PATIENCE)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_reflection(self):
        database = ProtoReflectionDescriptorDatabase(self.edge().channel)
        self.assertIn("meridian.order.v1.OrderService", database.get_services())
        file = database.FindFileContainingSymbol("meridian.order.v1.OrderService")
        self.assertEqual(file.name, "meridian/order/v1/order.proto")
        self.assertIn("meridian/method/v1/method.proto", file.dependency)
