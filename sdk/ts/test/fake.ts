import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { actionHash, Client, type Config, generateKeyPair, type KeyPair, signRequest } from "../src/index.js";

export interface Answer { status?: number; body?: string; headers?: Record<string, string>; hang?: boolean }
export interface Asked { method: string; path: string; query: string; nonce: string; body: string; signed: boolean }

/** A server that answers as a test tells it to, the last answer again and again, and remembers what it was asked. */
export class Fake {
  readonly asked: Asked[] = [];
  readonly server: Server;
  constructor(private answers: Answer[], readonly keyPair: KeyPair) {
    this.server = createServer((request, response) => void this.#serve(request, response));
  }

  get url(): string { return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`; }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const [path, query = ""] = request.url!.split("?") as [string, string?];
    const header = (name: string) => String(request.headers[name] ?? "");
    // Ed25519 is deterministic: what this signs is what the client must have signed.
    const expected = await signRequest({
      agentId: "shopper", privateKeyB64: this.keyPair.privateKeyB64, method: request.method!, path,
      timestamp: header("x-timestamp"), nonce: header("x-nonce"), body,
    });
    this.asked.push({
      method: request.method!, path, query, nonce: header("x-nonce"), body,
      signed: header("x-signature") === expected["X-Signature"] && header("x-agent-id") === "shopper" &&
        header("x-body-sha256") === createHash("sha256").update(body).digest("hex"),
    });
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    if (answer.hang) return;
    response.writeHead(answer.status ?? 200, answer.headers);
    response.end(answer.body ?? (await decide(body)));
  }
}

/** Answers an authorize request as its payload says: {"decide": "ALLOW"}. */
async function decide(body: string): Promise<string> {
  const { approval_token, ...action } = JSON.parse(body);
  return JSON.stringify({
    decision_id: "dec_1", action_id: action.action_id, action_hash: await actionHash(action),
    result: approval_token ? "ALLOW" : action.payload.decide, matched_rule_id: null, matched_policy_id: "pol_1", reason: "because",
    proof_token: null, proof_expires_at: null, obligations: [], budgets: [{ id: "daily", limit: 100, spent: 40, remaining: 60 }],
  });
}

/** Starts a fake server and a client of it. */
export async function fake(t: TestContext, answers: Answer[], config: Partial<Config> = {}): Promise<{ fake: Fake; client: Client }> {
  const keyPair = await generateKeyPair();
  const fake = new Fake(answers, keyPair);
  await new Promise<void>((resolve) => fake.server.listen(0, "127.0.0.1", resolve));
  t.after(() => { fake.server.closeAllConnections(); fake.server.close(); });
  return { fake, client: new Client({ url: `${fake.url}/`, agentId: "shopper", privateKeyB64: keyPair.privateKeyB64, ownerId: "usr_1", ...config }) };
}

export const order = (decide: string) => ({ action: "purchase.order", context: { decide, amount_minor: 4500, currency: "USD" } });

/** Asserts that a promise fails with an error of a class, whose text and code are as given. */
export async function fails(promise: Promise<unknown>, type: new (...args: any[]) => Error, says: string | RegExp = "", code?: string): Promise<void> {
  await assert.rejects(promise, (error: any) => {
    assert.ok(error instanceof type, `${error?.name}: ${error?.message}; want ${type.name}`);
    assert.match(error.message, typeof says === "string" ? new RegExp(says.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")) : says);
    if (code !== undefined) assert.equal((error as { code?: string }).code, code);
    return true;
  });
}
