import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RequestError, ResponseError, ServerError, Verifier, VerifyError } from "../src/index.js";
import { fails, fake } from "./fake.js";

const vectors = JSON.parse(readFileSync(new URL("../../../vectors.json", import.meta.url), "utf8"));
const token = (name: string): string => vectors.tokens.find((v: { name: string }) => v.name === name).token;
const keys = JSON.stringify(vectors.public_keys);
const reason = (want: string) => (e: unknown) => e instanceof VerifyError && e.reason === want;

test("keys are kept, and no longer than an hour", async (t) => {
  const { fake: server } = await fake(t, [{ body: keys }, { status: 503, body: "x" }]);
  let now = Date.parse("2026-04-10T12:00:00Z");
  const verifier = new Verifier({ url: server.url, attempts: 1, now: () => new Date(now) });
  for (const [seconds, requests, works] of [[0, 1, true], [240, 1, true], [120, 2, true], [1, 2, true], [10, 3, true], [3240, 4, false]] as const) {
    now += seconds * 1000;
    const verified = verifier.verify(token("a proof"), { now: new Date("2026-04-10T12:00:30Z"), audience: "shop.example", allowReplay: true });
    if (works) assert.equal((await verified).agent_id, "shopper");
    else await fails(verified, ServerError);
    assert.equal(server.asked.length, requests, `${seconds} s later`);
  }
});

test("a flood of unknown keys is no flood of requests, and new keys are learnt", async (t) => {
  const { fake: server } = await fake(t, [{ body: `{"keys":[]}` }, { body: keys }]);
  let now = Date.parse("2026-04-10T12:00:00Z");
  const verifier = new Verifier({ url: server.url, now: () => new Date(now) });
  for (let i = 0; i < 5; i++) await assert.rejects(verifier.verify(token("a proof")), reason("UNKNOWN_KEY"));
  assert.equal(server.asked.length, 1);
  now += 11_000;
  assert.equal((await verifier.verify(token("a proof"), { allowReplay: true })).agent_id, "shopper");
});

test("offline", async () => {
  const verifier = new Verifier({ keys: vectors.public_keys.keys, now: () => new Date("2026-04-10T12:00:30Z") });
  assert.equal((await verifier.verify(token("a proof"), { audience: "shop.example", allowReplay: true })).aud, "shop.example");
  await assert.rejects(verifier.verify(token("a session"), { purpose: "user_session" }), reason("WRONG_PURPOSE"));
  await fails(verifier.verifyOnline("x"), RequestError);
});

test("online", async (t) => {
  const claims = JSON.parse(Buffer.from(token("a proof").split(".")[2]!, "base64url").subarray(0, -64).toString());
  const valid = { body: JSON.stringify({ valid: true, claims }) };
  const verify = async (body: { body: string }, expect = {}) => new Verifier((await fake(t, [body])).fake.url).verifyOnline("v4.public.x", expect);
  assert.equal((await verify(valid, { currency: "USD" })).agent_id, "shopper");
  await assert.rejects(verify({ body: `{"valid":false,"reason":"EXPIRED"}` }), reason("EXPIRED"));
  await assert.rejects(verify(valid, { amountMinor: 4501 }), reason("AMOUNT_MISMATCH"));
  await assert.rejects(verify(valid, { currency: "EUR" }), reason("CURRENCY_MISMATCH"));
  for (const body of [`{"valid":true}`, `{"valid":"true"}`, `{"valid":true,"claims":{"purpose":"user_session"}}`, `{}`]) {
    await fails(verify({ body }), ResponseError);
  }
});

test("promise 28: redeeming", async (t) => {
  const claims = JSON.parse(Buffer.from(token("a proof").split(".")[2]!, "base64url").subarray(0, -64).toString());
  const at = "2026-04-10T12:00:31.000Z";
  const redeem = async (answer: object, status = 200) => {
    const { fake: server } = await fake(t, [{ status, body: JSON.stringify(answer) }]);
    try {
      return await new Verifier(server.url).redeemProof("v4.public.x", { audience: "shop.example", amountMinor: 4000 });
    } finally {
      assert.equal(server.asked.length, 1); // never sent twice
    }
  };
  const valid = { valid: true, claims, redeemed_at: at };
  assert.equal((await redeem(valid)).claims.agent_id, "shopper");
  await assert.rejects(redeem({ valid: false, reason: "ALREADY_REDEEMED", redeemed_at: at }),
    (e) => e instanceof VerifyError && e.code === "ALREADY_REDEEMED" && e.message.includes(at));
  for (const broken of [{ valid: true }, { ...valid, valid: "true" }, { ...valid, claims: { ...claims, aud: "other.example" } }, {}]) {
    await fails(redeem(broken), ResponseError);
  }
  await fails(redeem({}, 503), ServerError);
});

test("what is no key set", async (t) => {
  for (const body of [`{}`, `{"keys":{}}`, `{"error":{"code":"X"}}`, JSON.stringify({ keys: [vectors.public_keys.keys[0], vectors.public_keys.keys[0]] })]) {
    const { fake: server } = await fake(t, [{ body }]);
    await fails(new Verifier(server.url).verify(token("a proof")), ResponseError);
  }
});
