// The walk-through against a real server. Wants OPENLEASH_TEST_URL, the agent's OPENLEASH_AGENT_ID and
// OPENLEASH_AGENT_PRIVATE_KEY_B64, the spending policy of the walk-through in force, and
// OPENLEASH_TEST_OWNER_TOKEN, a session token of the owner. With OPENLEASH_TEST_INVITE_URL, it redeems
// that invite too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, type Expect, generateKeyPair, InvalidKeyError, redeemInvite, RequestError, Verifier, VerifyError } from "../src/index.js";
import { fails } from "./fake.js";

const env = process.env;
const url = env["OPENLEASH_TEST_URL"] ?? "";
const live = { skip: url ? false : "OPENLEASH_TEST_URL is not set: no live server" };
const client = () => Client.fromEnv({ ...env, OPENLEASH_URL: url });
const order = (amount: number) => ({ action: "purchase.order", context: { amount, currency: "USD" } });

test("live: ALLOW, verified offline and online", live, async () => {
  const decision = await client().authorize({ ...order(45), relyingParty: { domain: "shop.example", trustProfile: "LOW" } });
  assert.ok(decision.allowed, decision.reason);
  const verifier = new Verifier(url);
  for (const verify of [(e: Expect) => verifier.verify(decision.proofToken!, e), (e: Expect) => verifier.verifyOnline(decision.proofToken!, e)]) {
    assert.equal((await verify({ actionHash: decision.actionHash, audience: "shop.example" })).decision_id, decision.id);
    await assert.rejects(verify({ audience: "other.example" }), (e) => e instanceof VerifyError && e.reason === "AUDIENCE_MISMATCH");
  }
});

test("live: DENY", live, async () => {
  const decision = await client().authorize(order(600));
  assert.equal(decision.result, "DENY");
  assert.equal(decision.proofToken, undefined);
});

test("live: the same action is decided once", live, async () => {
  const same = { ...order(45), id: `act-${crypto.randomUUID()}`, requestedAt: new Date() };
  const first = await client().authorize(same);
  assert.equal((await client().authorize(same)).id, first.id);
  await assert.rejects(client().authorize({ ...order(46), id: same.id }), (e) => e instanceof RequestError && e.status === 409);
});

test("live: approval", { skip: live.skip || (env["OPENLEASH_TEST_OWNER_TOKEN"] ? false : "OPENLEASH_TEST_OWNER_TOKEN is not set: nobody to approve") }, async () => {
  const decision = await client().authorize(order(250));
  assert.equal(decision.result, "REQUIRE_APPROVAL");
  const request = await client().requestApproval(decision, "for the trip");
  assert.equal((await client().requestApproval(decision)).id, request.id);
  const [approved, approval] = await Promise.all([
    client().waitForApproval(request.id, 30_000),
    fetch(`${url}/v1/owner/approval-requests/${request.id}/approve`, {
      method: "POST", body: "{}", headers: { Authorization: `Bearer ${env["OPENLEASH_TEST_OWNER_TOKEN"]}`, "Content-Type": "application/json" },
    }),
  ]);
  assert.ok(approval.ok);
  const redeemed = await client().redeem(decision, approved.token!);
  assert.ok(redeemed.allowed);
  assert.equal((await new Verifier(url).verify(redeemed.proofToken!)).action_hash, decision.actionHash);
  assert.ok((await client().redeem(decision, approved.token!)).allowed, "the same action is answered as before");
});

test("live: drafts and self", live, async () => {
  assert.equal((await client().self()).agentId, env["OPENLEASH_AGENT_ID"]);
  const draft = await client().createPolicyDraft({ policyYaml: "rules:\n  - action: mail.send\n    effect: require_approval\n" });
  assert.equal((await client().policyDraft(draft.id)).status, "PENDING");
  assert.ok((await client().policyDrafts()).some((d) => d.id === draft.id));
});

test("live: another key", live, async () => {
  const { privateKeyB64 } = await generateKeyPair();
  await fails(new Client({ url, agentId: env["OPENLEASH_AGENT_ID"]!, privateKeyB64 }).authorize(order(45)), InvalidKeyError, "", "INVALID_SIGNATURE");
});

test("live: invite", { skip: live.skip || (env["OPENLEASH_TEST_INVITE_URL"] ? false : "OPENLEASH_TEST_INVITE_URL is not set: nothing to redeem") }, async () => {
  const registration = await redeemInvite(env["OPENLEASH_TEST_INVITE_URL"]!, `live-${crypto.randomUUID()}`, await generateKeyPair());
  assert.equal((await registration.client().self()).status, "ACTIVE");
});
