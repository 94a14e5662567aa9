// The vectors that the clients in every language agree on: ../vectors.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { actionHash, canonical, OpenLeashError, parsePublicKeys, signRequest, VerifyError, verifyToken } from "../src/index.js";
import { sha256 } from "../src/canonical.js";

const vectors = JSON.parse(readFileSync(new URL("../../../vectors.json", import.meta.url), "utf8"));

test("canonical form and hash", async () => {
  for (const v of vectors.canonical) {
    if (v.text_only) continue; // JSON.parse hides what is wrong
    if (v.error) {
      assert.throws(() => canonical(JSON.parse(v.input)), (e) => e instanceof OpenLeashError && e.code === v.error, v.name);
      continue;
    }
    assert.equal(canonical(JSON.parse(v.input)), v.canonical, v.name);
    assert.equal(await sha256(v.canonical), v.hash, v.name);
  }
});

test("action hash", async () => {
  for (const v of vectors.actions) {
    if (v.error) continue; // the server's to judge
    const { approval_token: _, ...action } = JSON.parse(v.body);
    assert.equal(await actionHash(action), v.hash, v.name);
  }
});

test("request signatures", async () => {
  for (const v of vectors.requests) {
    const headers = await signRequest({
      agentId: "agent", privateKeyB64: v.private_key_b64, method: v.method, path: v.path, timestamp: v.timestamp, nonce: v.nonce, body: v.body,
    });
    assert.equal(headers["X-Body-Sha256"], v.body_sha256, v.name);
    assert.equal(headers["X-Signature"], v.signature, v.name);
  }
});

test("tokens", async (t) => {
  const keys = parsePublicKeys(vectors.public_keys);
  for (const v of vectors.tokens) {
    await t.test(v.name, async () => {
      const e = v.expect;
      const verify = () => verifyToken(v.token, keys, {
        purpose: e.purpose, now: new Date(e.now), actionHash: e.action_hash, agentId: e.agent_id, audience: e.audience,
        amountMinor: e.amount_minor, currency: e.currency, leewaySeconds: e.leeway_seconds, onceOnline: e.once_online, allowReplay: true,
      });
      if (v.valid) {
        assert.equal((await verify()).iss, "openleash");
        return;
      }
      await assert.rejects(verify, (error) => {
        assert.ok(error instanceof VerifyError, String(error));
        assert.equal(error.reason, v.reason);
        return true;
      });
    });
  }
});
