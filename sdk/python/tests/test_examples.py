"""The examples, without network or model: a fake server on loopback decides."""

import asyncio
import io
import json
import unittest

from examples.langchain_tool import guarded
from examples.loop import run
from examples.mcp_server import ORDER, serve

from .fake import Answer, FakeCase, order
from .test_client import approval


class Examples(FakeCase):
    def test_loop(self):
        fake = self.fake(
            Answer(), Answer(), approval("PENDING"), approval("APPROVED", approval_token="t"), Answer(),
            Answer(), approval("PENDING"), approval("DENIED", deny_reason="too much"), Answer(), Answer(403, '{"error":{"code":"NO_POLICY"}}'))
        acted = []

        def act(action, context, proof):
            acted.append(context["decide"])
            return "done"

        results = ("ALLOW", "REQUIRE_APPROVAL", "REQUIRE_APPROVAL", "DENY", "ALLOW", "ALLOW")
        told = run(self.client(fake), [("purchase.order", order(r)) for r in results], act)
        self.assertEqual(acted, ["ALLOW", "REQUIRE_APPROVAL"])
        self.assertEqual(len(told), 5, told)
        for line, says in zip(told, ("done", "done", "too much", "not allowed: because", "stopped:")):
            self.assertIn(says, line)

    def test_langchain_tool(self):
        client, ran = self.client(self.fake(Answer())), []

        @guarded(client, "purchase.order")
        def buy(decide: str, amount: int) -> str:
            """Buy something."""
            ran.append(decide)
            return f"bought for {amount}"

        self.assertEqual((buy.name, buy.description), ("buy", "Buy something."))
        self.assertEqual(buy.invoke({"decide": "ALLOW", "amount": 45}), "bought for 45")
        self.assertEqual(asyncio.run(buy.ainvoke_with(decide="ALLOW", amount=45)), "bought for 45")
        self.assertIn("not run", buy.invoke_with(decide="DENY", amount=600))
        self.assertIn("your owner must approve", asyncio.run(buy.ainvoke({"decide": "REQUIRE_APPROVAL", "amount": 250})))
        self.assertEqual(ran, ["ALLOW", "ALLOW"])

    def test_mcp_server(self):
        client, out = self.client(self.fake(Answer())), io.StringIO()
        requests = [
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
            *({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "place_order", "arguments": {**order(r), "amount": 45}}}
              for n, r in ((3, "ALLOW"), (4, "DENY"), (5, "REQUIRE_APPROVAL"))),
            {"jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": {"name": "rm"}},
        ]
        serve(client, [ORDER], [json.dumps(r) for r in requests] + ["no JSON"], out)
        answers = [json.loads(line) for line in out.getvalue().splitlines()]
        self.assertEqual([a["id"] for a in answers], [1, 2, 3, 4, 5, 6, None])
        self.assertEqual(answers[1]["result"]["tools"][0]["name"], "place_order")
        self.assertEqual(answers[2]["result"], {"content": [{"type": "text", "text": "ordered for 45 USD"}]})
        for refused in answers[3:5]:
            self.assertTrue(refused["result"]["isError"])
            self.assertIn("not done", refused["result"]["content"][0]["text"])
        self.assertTrue(all("error" in a for a in answers[5:]))


if __name__ == "__main__":
    unittest.main()
