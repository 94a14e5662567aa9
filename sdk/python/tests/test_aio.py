import asyncio
import inspect
import unittest
from datetime import datetime, timezone

from openleash import ApprovalError, AsyncClient, AsyncVerifier, Client, NotAllowedError, Verifier

from .fake import Answer, FakeCase, order
from .test_client import approval
from .test_vectors import VECTORS


class Async(FakeCase):
    def test_parity(self):
        for sync, asynchronous in ((Client, AsyncClient), (Verifier, AsyncVerifier)):
            for name, member in inspect.getmembers(sync, inspect.isfunction):
                if not name.startswith("_"):
                    self.assertTrue(inspect.iscoroutinefunction(getattr(asynchronous, name, None)), f"{asynchronous.__name__}.{name}")

    def test_authorize_many_at_once(self):
        client = AsyncClient.of(self.client(self.fake(Answer())))

        async def run():
            return await asyncio.gather(*(client.authorize("purchase.order", order(r)) for r in ("ALLOW", "DENY") * 5))

        self.assertEqual([d.allowed for d in asyncio.run(run())], [True, False] * 5)

    def test_guard(self):
        client = AsyncClient.of(self.client(self.fake(Answer())))

        async def act(decision):
            return decision.id

        self.assertEqual(asyncio.run(client.guard("purchase.order", order("ALLOW"), act)), "dec_1")
        self.assertEqual(asyncio.run(client.guard("purchase.order", order("ALLOW"), lambda d: "done")), "done")
        with self.assertRaises(NotAllowedError):
            asyncio.run(client.guard("purchase.order", order("DENY"), act))

    def test_authorize_and_wait(self):
        fake = self.fake(Answer(), approval("PENDING"), approval("APPROVED", approval_token="v4.public.x"), Answer())
        client = AsyncClient.of(self.client(fake))
        self.assertTrue(asyncio.run(client.authorize_and_wait("purchase.order", order("REQUIRE_APPROVAL"))))
        denied = AsyncClient.of(self.client(self.fake(approval("DENIED"))))
        with self.assertRaises(ApprovalError):
            asyncio.run(denied.wait_for_approval("apr_1"))
        with self.assertRaises(ApprovalError):
            asyncio.run(AsyncClient.of(self.client(self.fake(approval("PENDING")))).wait_for_approval("apr_1", 0))

    def test_verify(self):
        proof = next(v["token"] for v in VECTORS["tokens"] if v["name"] == "a proof")
        verifier = AsyncVerifier(keys=VECTORS["public_keys"]["keys"], now=lambda: datetime(2026, 4, 10, 12, 1, tzinfo=timezone.utc))
        self.assertEqual(asyncio.run(verifier.verify(proof))["agent_id"], "shopper")


if __name__ == "__main__":
    unittest.main()
