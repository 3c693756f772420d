"""What generated stubs cannot know: who calls, which calls are one, and why a call was refused."""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from meridian.account.v1 import account_pb2_grpc
from meridian.cart.v1 import cart_pb2_grpc
from meridian.catalog.v1 import catalog_pb2_grpc
from meridian.order.v1 import order_pb2_grpc


class Edge:
    """The services of an edge, and the calls of whoever has the access token."""

    def __init__(self, address: str, token: str = ""):
        self.channel = grpc.insecure_channel(address)  # grpc.secure_channel where there is TLS
        self.token = token
        self.account = account_pb2_grpc.AccountServiceStub(self.channel)
        self.cart = cart_pb2_grpc.CartServiceStub(self.channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(self.channel)
        self.order = order_pb2_grpc.OrderServiceStub(self.channel)

    def mine(self, key: str = "") -> list[tuple[str, str]]:
        """Returns the metadata of a call; with a key it has its effect once, however often it is repeated."""
        metadata = [("authorization", f"Bearer {self.token}")]
        return metadata + [("idempotency-key", key)] if key else metadata


def reason_of(failure: grpc.RpcError) -> str:
    """Returns why Meridian refused a call: one of docs/reference/errors.md, or "" """
    status = rpc_status.from_call(failure)
    for detail in status.details if status else []:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == "meridian":
            return info.reason
    return ""
