import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ApprovalError, Client, ClockSkewError, Decision, generateKeyPair, InvalidKeyError, NotAllowedError, parseKeyPair, RequestError,
  ResponseError, ServerError, ServerTimeoutError, UnreachableError,
} from "../src/index.js";
import { type Answer, fails, fake, order } from "./fake.js";

test("authorize builds the whole request", async (t) => {
  const { fake: server, client } = await fake(t, [{}]);
  const decision = await client.authorize({
    action: "purchase.order", context: { decide: "ALLOW", left: undefined }, relyingParty: { domain: "shop.example" },
  });
  assert.ok(decision.allowed && decision.require() === decision);
  assert.equal(decision.budgets[0]!.remaining, 60);
  const asked = server.asked[0]!;
  assert.ok(asked.signed && asked.method === "POST" && asked.path === "/v1/authorize");
  const { action_id, requested_at, ...rest } = JSON.parse(asked.body);
  assert.equal(action_id, decision.actionId);
  assert.match(requested_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    action_type: "purchase.order", principal: { agent_id: "shopper" }, subject: { principal_id: "usr_1" },
    relying_party: { domain: "shop.example" }, payload: { decide: "ALLOW" },
  });
});

test("only ALLOW is a yes", async (t) => {
  const { client } = await fake(t, [{}]);
  for (const result of ["DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT"]) {
    const decision = await client.authorize(order(result));
    assert.equal(decision.allowed, false);
    assert.equal(decision.needsApproval, result !== "DENY");
    assert.throws(() => decision.require(), NotAllowedError);
  }
  for (const result of ["", "allow", "ALLOWED", "YES", "ALLOW "]) await fails(client.authorize(order(result)), ResponseError);
  await fails(client.authorize({ action: "a", context: { decide: true } }), ResponseError);
  assert.equal(new Decision({ result: "" }, {}).allowed, false);
});

test("guard acts on ALLOW alone", async (t) => {
  const { client } = await fake(t, [{}]);
  assert.equal(await client.guard(order("ALLOW"), () => "done"), "done");
  for (const result of ["DENY", "REQUIRE_APPROVAL", "?"]) {
    let acted = false;
    await assert.rejects(client.guard(order(result), () => { acted = true; }));
    assert.equal(acted, false);
  }
});

const ahead = (minutes: number) => ({ Date: new Date(Date.now() + minutes * 60_000).toUTCString() });
const failures: [string, Answer, new (...args: any[]) => Error, string, string, number][] = [
  ["5xx with JSON", { status: 503, body: `{"error":{"code":"UNAVAILABLE","message":"the log cannot be written"}}` }, ServerError, "the log cannot be written", "UNAVAILABLE", 3],
  ["5xx with a page", { status: 502, body: "<html>Bad Gateway" }, ServerError, "502", "", 3],
  ["429", { status: 429, body: `{"error":{"code":"RATE_LIMITED","message":"slow down"}}`, headers: { "Retry-After": "0" } }, RequestError, "slow down", "RATE_LIMITED", 3],
  ["not JSON", { body: "<html>log in" }, ResponseError, "not that of an OpenLeash server", "", 1],
  ["half a JSON", { body: `{"decision_id":` }, ResponseError, "not that of", "", 1],
  ["another JSON", { body: `{"hello":"world"}` }, ResponseError, "not that of", "", 1],
  ["a list", { body: "[]" }, ResponseError, "not that of", "", 1],
  ["null", { body: "null" }, ResponseError, "not that of", "", 1],
  ["a huge answer", { body: `{"result":"ALLOW","x":"${"x".repeat(1 << 20)}"}` }, ResponseError, "1 MiB", "", 1],
  ["an answer to another action", { body: `{"decision_id":"dec_1","result":"ALLOW","action_hash":"${"0".repeat(64)}"}` }, ResponseError, "another action", "", 1],
  ["a redirect", { status: 302, body: "x", headers: { Location: "https://sso.example/" } }, ResponseError, "https://sso.example/", "", 1],
  ["a clock that is behind", { status: 401, body: `{"error":{"code":"TIMESTAMP_SKEW"}}`, headers: ahead(10) }, ClockSkewError, "s behind the server's", "TIMESTAMP_SKEW", 1],
  ["a clock that is ahead", { status: 401, body: `{"error":{"code":"TIMESTAMP_SKEW"}}`, headers: ahead(-10) }, ClockSkewError, "s ahead of the server's", "TIMESTAMP_SKEW", 1],
  ["a key that the server does not take", { status: 401, body: `{"error":{"code":"INVALID_SIGNATURE","message":"no"}}` }, InvalidKeyError, "private key belongs to the agent id", "INVALID_SIGNATURE", 1],
  ["no policy", { status: 403, body: `{"error":{"code":"NO_POLICY","message":"no policy applies"}}` }, RequestError, "no policy applies", "NO_POLICY", 1],
];
for (const [name, answer, type, says, code, tries] of failures) {
  test(`failure: ${name}`, async (t) => {
    const { fake: server, client } = await fake(t, [answer]);
    await fails(client.authorize(order("ALLOW")), type, says, code);
    assert.equal(server.asked.length, tries);
    assert.equal(new Set(server.asked.map((a) => a.nonce)).size, tries, "a nonce was used twice");
    assert.ok(server.asked.every((a) => a.signed && a.body === server.asked[0]!.body), "asked again otherwise");
  });
}

test("the server comes back", async (t) => {
  const { fake: server, client } = await fake(t, [{ status: 500, body: "x" }, { status: 503, body: "x" }, {}]);
  assert.ok((await client.authorize(order("ALLOW"))).allowed);
  assert.equal(server.asked.length, 3);
});

test("the server is away", async (t) => {
  const { fake: server, client } = await fake(t, [{}]);
  await new Promise((resolve) => server.server.close(resolve));
  await fails(client.authorize(order("ALLOW")), UnreachableError, "openleash start");
});

test("the server is slow", async (t) => {
  const { fake: server, client } = await fake(t, [{ hang: true }], { timeoutMs: 50, attempts: 2 });
  await fails(client.authorize(order("ALLOW")), ServerTimeoutError, "nothing may be taken as allowed");
  assert.equal(server.asked.length, 2);
});

test("actions that cannot be sent", async (t) => {
  const { fake: server, client } = await fake(t, [{}]);
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  for (const context of [{ n: 2 ** 53 }, { n: NaN }, { n: [Infinity] }, { s: "\ud800" }, { n: 10n }, circle, [1], "x"]) {
    await fails(client.authorize({ action: "a", context: context as object }), RequestError);
  }
  for (const action of ["", "a.*", "a..b", "a b", undefined]) {
    await fails(client.authorize({ action: action as string }), RequestError);
  }
  assert.equal(server.asked.length, 0);
});

test("configurations that cannot work", async () => {
  const { publicKeyB64, privateKeyB64 } = await generateKeyPair();
  const good = { url: "http://127.0.0.1:1", agentId: "a", privateKeyB64, attempts: 1 };
  for (const url of ["", "localhost:8787", "ftp://localhost"]) assert.throws(() => new Client({ ...good, url }), /OPENLEASH_URL/);
  assert.throws(() => new Client({ ...good, agentId: "" }), /OPENLEASH_AGENT_ID/);
  await fails(new Client({ ...good, privateKeyB64: "" }).self(), InvalidKeyError, "OPENLEASH_AGENT_PRIVATE_KEY_B64");
  await fails(new Client({ ...good, privateKeyB64: publicKeyB64 }).self(), InvalidKeyError, "this is a public key");
  await fails(new Client({ ...good, privateKeyB64: `${privateKeyB64}\n` }).self(), UnreachableError);
  const parsed = await parseKeyPair(privateKeyB64);
  assert.deepEqual([parsed.publicKeyB64, parsed.privateKeyB64], [publicKeyB64, privateKeyB64]);
  Client.fromEnv({ OPENLEASH_URL: good.url, OPENLEASH_AGENT_ID: "a", OPENLEASH_AGENT_PRIVATE_KEY_B64: privateKeyB64 });
  assert.throws(() => Client.fromEnv({}), RequestError);
});

const approval = (status: string, more = "") => ({ body: `{"approval_request_id":"apr_1","status":"${status}"${more},"expires_at":"2026-04-11T12:00:00.000Z"}` });

test("authorize and wait", async (t) => {
  const { fake: server, client } = await fake(t, [{}, approval("PENDING"), approval("APPROVED", `,"approval_token":"v4.public.x"`), {}]);
  const decision = await client.authorizeAndWait(order("REQUIRE_APPROVAL"), { justification: "for the trip" });
  assert.ok(decision.allowed);
  const [first, request, poll, redeem] = server.asked.map((a) => ({ ...a, body: a.body ? JSON.parse(a.body) : undefined }));
  assert.deepEqual(request!.body, { decision_id: "dec_1", action: first!.body, justification: "for the trip" });
  assert.equal(poll!.query, "wait=30s");
  assert.ok(poll!.signed);
  assert.deepEqual(redeem!.body, { ...first!.body, approval_token: "v4.public.x" });
});

test("what is decided needs no approval", async (t) => {
  const { fake: server, client } = await fake(t, [{}]);
  assert.ok((await client.authorizeAndWait(order("ALLOW"))).allowed);
  assert.ok(!(await client.authorizeAndWait(order("DENY"))).allowed);
  assert.equal(server.asked.length, 2);
});

test("approvals that are no yes", async (t) => {
  for (const [status, more, says] of [
    ["DENIED", `,"deny_reason":"too much"`, "too much"], ["EXPIRED", "", "EXPIRED"], ["CONSUMED", "", "CONSUMED"],
    ["MAYBE", "", "MAYBE"], ["APPROVED", "", "APPROVED"],
  ] as const) {
    const { client } = await fake(t, [approval(status, more)]);
    await fails(client.waitForApproval("apr_1"), ApprovalError, says);
  }
  const { client } = await fake(t, [approval("PENDING")]);
  await fails(client.waitForApproval("apr_1", 0), ApprovalError, "again later");
});

test("a redeemed token whose answer was lost", async (t) => {
  const { fake: server, client } = await fake(t, [
    {}, { status: 502, body: "x" }, { status: 400, body: `{"error":{"code":"APPROVAL_TOKEN_CONSUMED","message":"used"}}` }, {},
  ]);
  const decision = await client.authorize(order("ALLOW"));
  assert.ok((await client.redeem(decision, "v4.public.x")).allowed);
  assert.equal(server.asked.length, 4);
  assert.equal(server.asked[3]!.body, server.asked[0]!.body);
});

test("settle", async (t) => {
  const { fake: server, client } = await fake(t, [{ status: 503, body: "x" }, { body: `{"decision_id":"dec_1","settled":"commit","budgets":[{"id":"daily","remaining":70}]}` }]);
  assert.equal((await client.commit("dec_1", 3000)).budgets[0]!.remaining, 70);
  await client.release("dec_1");
  await client.refund("dec/1", 0);
  assert.deepEqual(server.asked.map((a) => [a.path, a.body, a.signed]), [
    ["/v1/agent/decisions/dec_1/commit", `{"amount_minor":3000}`, true],
    ["/v1/agent/decisions/dec_1/commit", `{"amount_minor":3000}`, true],
    ["/v1/agent/decisions/dec_1/release", "{}", true],
    ["/v1/agent/decisions/dec%2F1/refund", `{"amount_minor":0}`, true],
  ]);
});

test("policy drafts are sent once", async (t) => {
  const draft = `{"policy_draft_id":"drf_1","status":"PENDING","policy_yaml":"rules: []"}`;
  const { fake: server, client } = await fake(t, [{ body: draft }, { body: draft }, { body: `{"policy_drafts":[${draft}]}` }, { status: 503, body: "x" }]);
  assert.equal((await client.createPolicyDraft({ policyYaml: "rules: []", justification: "I need it" })).id, "drf_1");
  assert.equal((await client.policyDraft("drf_1")).policyYaml, "rules: []");
  assert.equal((await client.policyDrafts()).length, 1);
  await fails(client.createPolicyDraft({ policyYaml: "rules: []" }), ServerError);
  assert.equal(server.asked.length, 4);
});

test("self", async (t) => {
  const { client } = await fake(t, [{ body: `{"agent_principal_id":"agt_1","agent_id":"shopper","owner_id":"usr_1","status":"ACTIVE"}` }]);
  assert.equal((await client.self()).agentPrincipalId, "agt_1");
});
