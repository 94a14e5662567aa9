import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import { Client, generateKeyPair, redeemInvite, register, RequestError, ResponseError, ServerError } from "../src/index.js";
import { fails, fake } from "./fake.js";

const answer = (status = "ACTIVE") => ({
  body: `{"agent_principal_id":"agt_1","agent_id":"shopper","owner_type":"HUMAN","owner_id":"usr_1","status":"${status}","openleash_url":"https://leash.example"}`,
});
const path = "/v1/agents/register-with-invite";

test("redeem an invite", async (t) => {
  const { fake: server } = await fake(t, [answer()]);
  const keyPair = await generateKeyPair();
  const r = await redeemInvite(`${server.url}${path}?invite_id=inv_1&invite_token=s%2Fcret\n`, "shopper", keyPair);
  assert.equal(r.status, "ACTIVE");
  assert.ok(r.client() instanceof Client);
  Client.fromEnv(Object.fromEntries(r.env().trim().split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string])));
  assert.equal(server.asked[0]!.path, path);
  assert.equal(server.asked[0]!.query, "");
  assert.deepEqual(JSON.parse(server.asked[0]!.body), {
    invite_id: "inv_1", invite_token: "s/cret", agent_id: "shopper", agent_pubkey_b64: keyPair.publicKeyB64,
  });
});

test("an invite is redeemed once, and must be one", async (t) => {
  const { fake: server } = await fake(t, [{ status: 503, body: "x" }]);
  const keyPair = await generateKeyPair();
  await fails(redeemInvite(`${server.url}${path}?invite_id=i&invite_token=t`, "shopper", keyPair), ServerError);
  assert.equal(server.asked.length, 1);
  for (const bad of ["", "::", server.url, server.url + path, `${server.url}/gui/setup?invite_id=i&invite_token=t`]) {
    await fails(redeemInvite(bad, "shopper", keyPair), RequestError);
  }
});

test("register by challenge", async (t) => {
  const { fake: server } = await fake(t, [{ body: `{"challenge_id":"chl_1","challenge_b64":"${btoa("sign me")}"}` }, answer("PENDING")]);
  const keyPair = await generateKeyPair();
  const r = await register(server.url, "shopper", { type: "HUMAN", id: "usr_1" }, keyPair);
  assert.equal(r.status, "PENDING");
  const sent = JSON.parse(server.asked[1]!.body);
  const key = createPublicKey({ key: Buffer.from(sent.agent_pubkey_b64, "base64"), format: "der", type: "spki" });
  assert.ok(verify(null, Buffer.from("sign me"), key, Buffer.from(sent.signature_b64, "base64")));
  assert.equal(sent.challenge_id, "chl_1");
});

test("another agent than was asked", async (t) => {
  const { fake: server } = await fake(t, [answer()]);
  await fails(redeemInvite(`${server.url}${path}?invite_id=i&invite_token=t`, "other", await generateKeyPair()), ResponseError);
});
