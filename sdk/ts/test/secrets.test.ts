// Promise 32: nothing that holds a private key shows it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Client, generateKeyPair, parseKeyPair, Registration } from "../src/index.js";

test("promise 32: printing and JSON show no private key", async () => {
  const pair = await generateKeyPair();
  const registration = new Registration("agt_1", "bot", "human", "usr_1", "ACTIVE", "http://127.0.0.1:1", pair);
  const client = new Client({ url: "http://127.0.0.1:1", agentId: "bot", privateKeyB64: pair.privateKeyB64 });
  for (const value of [pair, await parseKeyPair(pair.privateKeyB64), registration, client]) {
    const shown = inspect(value, { depth: 10, showHidden: false }) + String(value) + JSON.stringify(value);
    assert.ok(!shown.includes(pair.privateKeyB64), shown);
  }
  assert.equal((await parseKeyPair(pair.privateKeyB64)).publicKeyB64, pair.publicKeyB64);
});
