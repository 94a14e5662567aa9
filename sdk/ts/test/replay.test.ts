// Promise 28: a verifier refuses a proof that it has seen.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Expect, ReplayCache, Verifier, VerifyError } from "../src/index.js";
import { maxReplays } from "../src/replay.js";

const vectors = JSON.parse(readFileSync(new URL("../../../vectors.json", import.meta.url), "utf8"));
const token: string = vectors.tokens.find((v: { name: string }) => v.name === "a proof").token;

async function verify(expect: Expect): Promise<string> {
  const verifier = new Verifier({ keys: vectors.public_keys.keys, now: () => new Date("2026-04-10T12:00:30Z") });
  try {
    await verifier.verify(token, expect);
    return "";
  } catch (error) {
    assert.ok(error instanceof VerifyError);
    assert.equal(error.code, error.reason);
    return error.reason;
  }
}

test("promise 28: a proof is accepted once", async () => {
  const replays = new ReplayCache();
  for (const [expect, want] of [
    [{ replays, audience: "other.example" }, "AUDIENCE_MISMATCH"], // and not remembered
    [{ replays, allowReplay: true }, ""],
    [{ replays }, ""],
    [{ replays }, "ALREADY_REDEEMED"],
    [{ replays, onceOnline: true }, "ALREADY_REDEEMED"],
    [{ replays, allowReplay: true }, ""],
    [{ replays: new ReplayCache() }, ""],
    [{}, ""], // who names no cache has that of the process
    [{}, "ALREADY_REDEEMED"],
  ] as const) assert.equal(await verify(expect), want, JSON.stringify(expect));
});

test("promise 28: of many at once, one wins", async () => {
  const replays = new ReplayCache();
  const all = await Promise.all(Array.from({ length: 16 }, () => verify({ replays })));
  assert.equal(all.filter((r) => r === "").length, 1);
});

test("promise 28: a full cache refuses", () => {
  const cache = new ReplayCache();
  const record = (jti: number, expires: number, now: number) => {
    try {
      cache.record("key", String(jti), expires, now);
      return "";
    } catch (error) {
      return (error as VerifyError).reason;
    }
  };
  for (let i = 0; i < maxReplays; i++) assert.equal(record(i, i < 10 ? 60 : 3600, 0), "");
  assert.equal(record(maxReplays, 3600, 59), "REPLAY_CACHE_FULL");
  assert.equal(record(5, 3600, 59), "ALREADY_REDEEMED");
  assert.equal(record(maxReplays, 3600, 60), "");
  assert.equal(record(maxReplays, 3600, 60), "ALREADY_REDEEMED");
  assert.equal(record(20, 3600, 60), "ALREADY_REDEEMED");
});
