"""How streams end: when time is over, and when the region is lost."""

import uuid

import grpc

from meridian.cart.v1 import cart_pb2
from meridian.order.v1 import order_pb2
from simulation import IRELAND, PATIENCE, SINGAPORE, SKU, VIRGINIA, Case, simulation


class Streams(Case):
    @classmethod
    def setUpClass(cls):
        simulation("kill", "provider")  # so that orders stay as they are
        cls.addClassCleanup(simulation, "heal", "provider")

    def order(self, ada) -> order_pb2.Order:
        ada.cart.SetItem(cart_pb2.SetItemRequest(sku=SKU, quantity=1), metadata=ada.mine())
        return ada.order.PlaceOrder(order_pb2.PlaceOrderRequest(), metadata=ada.mine(str(uuid.uuid4()))).order

    def test_a_deadline(self):
        ada = self.shopper()
        watch = order_pb2.WatchOrderRequest(id=self.order(ada).id)
        for address in [IRELAND, VIRGINIA]:
            stream = self.edge(address).order.WatchOrder(watch, metadata=ada.mine(), timeout=0.5)
            with self.assertRaises(grpc.RpcError) as caught:
                list(stream)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_the_loss_of_a_region(self):
        eva = self.shopper(SINGAPORE, "SG")
        placed = self.order(eva)
        away = self.edge(VIRGINIA, eva.token)
        alone = ("meridian-region", "ap-southeast-1")  # and no other serves the stream
        watch = order_pb2.WatchOrderRequest(id=placed.id)
        stream = away.order.WatchOrder(watch, metadata=[*away.mine(), alone], timeout=PATIENCE)
        self.assertEqual(next(stream).order.id, placed.id)
        simulation("kill", "ap-southeast-1")
        self.addCleanup(simulation, "heal", "ap-southeast-1")
        self.refused(grpc.StatusCode.UNAVAILABLE, "ANSWER_BROKEN", next, stream)
