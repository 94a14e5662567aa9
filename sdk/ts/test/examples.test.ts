// The examples, without network or model: a fake server on loopback decides.
import assert from "node:assert/strict";
import { test } from "node:test";
import { guarded } from "../examples/langchain-tool.js";
import { run } from "../examples/loop.js";
import { order as orderTool, serve } from "../examples/mcp-server.js";
import { fake, order } from "./fake.js";

const approval = (status: string, more = "") => ({ body: `{"approval_request_id":"apr_1","status":"${status}"${more}}` });

test("a plain loop", async (t) => {
  const { client } = await fake(t, [
    {}, {}, approval("PENDING"), approval("APPROVED", `,"approval_token":"t"`), {},
    {}, approval("PENDING"), approval("DENIED", `,"deny_reason":"too much"`), {}, { status: 403, body: `{"error":{"code":"NO_POLICY"}}` },
  ]);
  const acted: string[] = [];
  const steps = ["ALLOW", "REQUIRE_APPROVAL", "REQUIRE_APPROVAL", "DENY", "ALLOW", "ALLOW"].map(order);
  const told = await run(client, steps, async (step) => { acted.push((step.context as { decide: string }).decide); return "done"; });
  assert.deepEqual(acted, ["ALLOW", "REQUIRE_APPROVAL"]);
  assert.equal(told.length, 5);
  ["done", "done", "too much", "not allowed: because", "NO_POLICY"].forEach((says, i) => assert.ok(told[i]!.includes(says), told[i]));
});

test("a LangChain-style tool", async (t) => {
  const { client } = await fake(t, [{}]);
  const ran: string[] = [];
  const buy = guarded(client, "purchase.order", {
    name: "buy", description: "Buy something.", schema: {}, invoke: async (args: { decide: string; amount: number }) => { ran.push(args.decide); return `bought for ${args.amount}`; },
  });
  assert.equal(await buy.invoke({ decide: "ALLOW", amount: 45 }), "bought for 45");
  assert.match(await buy.invoke({ decide: "DENY", amount: 600 }), /not run/);
  assert.match(await buy.invoke({ decide: "REQUIRE_APPROVAL", amount: 250 }), /your owner must approve/);
  assert.match(await buy.invoke({ decide: "ALLOW", amount: NaN }), /cannot be represented/);
  assert.deepEqual(ran, ["ALLOW"]);
});

test("an MCP server", async (t) => {
  const { client } = await fake(t, [{}]);
  const requests = [
    { id: 1, method: "initialize", params: { protocolVersion: "2025-06-18" } }, { method: "notifications/initialized" }, { id: 2, method: "tools/list" },
    ...(["ALLOW", "DENY", "REQUIRE_APPROVAL"].map((r, i) => ({ id: 3 + i, method: "tools/call", params: { name: "place_order", arguments: { ...order(r).context, amount: 45 } } }))),
    { id: 6, method: "tools/call", params: { name: "rm" } },
  ].map((r) => JSON.stringify({ jsonrpc: "2.0", ...r }));
  const answers: any[] = [];
  await serve(client, [orderTool], [...requests, "no JSON"], (line) => answers.push(JSON.parse(line)));
  assert.deepEqual(answers.map((a) => a.id), [1, 2, 3, 4, 5, 6, null]);
  assert.equal(answers[1].result.tools[0].name, "place_order");
  assert.deepEqual(answers[2].result, { content: [{ type: "text", text: "ordered for 45 USD" }] });
  for (const refused of [answers[3], answers[4]]) {
    assert.equal(refused.result.isError, true);
    assert.match(refused.result.content[0].text, /not done/);
  }
  assert.ok(answers[5].error && answers[6].error);
});
