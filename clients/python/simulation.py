"""The simulation that the cases run against, and who calls there. MERIDIAN_NET is its --net."""

import os
import unittest
import urllib.request
import uuid

import grpc

from meridian.account.v1 import account_pb2
from shop import Edge, reason_of

NET = os.environ.get("MERIDIAN_NET", "0")
IRELAND = f"127.{NET}.2.10:8080"
VIRGINIA = f"127.{NET}.1.10:8080"
SINGAPORE = f"127.{NET}.3.10:8080"
SKU = "STA-12"
PATIENCE = 60  # seconds, so that what hangs ends


def simulation(what: str, target: str) -> None:
    """Kills a target, or heals it, which takes until all of it is ready."""
    urllib.request.urlopen(f"http://127.{NET}.0.3:7070/api/{what}?target={target}", data=b"").close()


class Case(unittest.TestCase):
    """A case with shoppers."""

    def edge(self, address: str = IRELAND, token: str = "") -> Edge:
        edge = Edge(address, token)
        self.addCleanup(edge.channel.close)
        return edge

    def shopper(self, address: str = IRELAND, country: str = "IE") -> Edge:
        """Signs up where a network says that the caller is in a country."""
        edge = self.edge(address)
        request = account_pb2.SignUpRequest(
            email=f"{uuid.uuid4()}@example.com", password="correct horse battery", display_name="Ada"
        )
        edge.token = edge.account.SignUp(request, metadata=[("cf-ipcountry", country)], timeout=PATIENCE).access_token
        return edge

    def refused(self, code: grpc.StatusCode, reason: str, call, *args, **options) -> None:
        """Holds a call, or the stream that it opens, to its refusal."""
        with self.assertRaises(grpc.RpcError) as caught:
            answer = call(*args, **options)
            if isinstance(answer, grpc.Call):
                list(answer)
        self.assertEqual((caught.exception.code(), reason_of(caught.exception)), (code, reason), caught.exception.details())
