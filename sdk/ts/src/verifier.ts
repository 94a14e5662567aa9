import { encode } from "./canonical.js";
import { type Reason, RequestError, ResponseError, VerifyError } from "./error.js";
import { type Claims, compare, type Expect, parsePublicKeys, type PublicKey, verifyToken } from "./token.js";
import { type ServerConfig, Transport } from "./transport.js";

// How long a Verifier relies on the keys that it fetched, in milliseconds.
const fresh = 5 * 60_000; // then it asks for them again
const stale = 60 * 60_000; // and until then it goes on if it gets no answer
const retry = 10_000; // the least between two requests

/** What a counterparty knows about the proof that it uses up. */
export interface ProofRedemption {
  /** The counterparty's own domain. */
  audience: string;
  actionHash?: string | undefined;
  /** What the counterparty really takes, in minor units; at most, and by default, the amount of the proof. */
  amountMinor?: number | undefined;
  /** The counterparty's reference, for the owner's log; at most 256 bytes. */
  receipt?: string | undefined;
}

/** A proof that was used up now. */
export interface RedeemedProof { claims: Claims; redeemedAt: string }

/** Checks proof tokens offline, with keys that it fetches and keeps. */
export class Verifier {
  readonly #transport: Transport | undefined;
  readonly #now: () => Date;
  #keys: PublicKey[] | undefined;
  #fetched = -Infinity;
  #asked = -Infinity;
  #asking: Promise<void> | undefined;

  /**
   * With a URL or configuration, for the proofs of that server; connects when it first verifies. With
   * keys, never connects, and does not hear of keys that are revoked later.
   */
  constructor(source: string | ServerConfig | { keys: PublicKey[]; now?: () => Date }) {
    if (typeof source === "object" && "keys" in source) {
      this.#keys = parsePublicKeys(source);
      this.#now = source.now ?? (() => new Date());
      return;
    }
    this.#transport = new Transport(typeof source === "string" ? { url: source } : source);
    this.#now = this.#transport.now;
  }

  /**
   * Checks a proof token offline, once, and returns what it says. A token that does not hold is a VerifyError;
   * any other error means that there are no keys to check it with, and then it must not be accepted either.
   */
  async verify(token: string, expect: Expect = {}): Promise<Claims> {
    const expected: Expect = { ...expect, purpose: "proof", now: expect.now ?? this.#now() };
    try {
      return await verifyToken(token, await this.#source(fresh), expected);
    } catch (error) {
      if (!this.#transport || !(error instanceof VerifyError) || error.reason !== "UNKNOWN_KEY") throw error;
    }
    // The server may have rotated its keys since.
    return verifyToken(token, await this.#source(retry), expected);
  }

  /** Keys that are not older than freshMs, if they can be had. */
  async #source(freshMs: number): Promise<PublicKey[]> {
    const now = this.#now().getTime();
    const age = now - this.#fetched;
    if (this.#keys && (!this.#transport || age < freshMs || (now - this.#asked < retry && age < stale))) return this.#keys;
    try {
      await (this.#asking ??= this.#fetch(now).finally(() => { this.#asking = undefined; }));
    } catch (error) {
      if (!this.#keys || age >= stale) throw error;
    }
    return this.#keys!;
  }

  async #fetch(now: number): Promise<void> {
    this.#asked = now;
    this.#keys = parsePublicKeys(await this.#transport!.do({ method: "GET", path: "/v1/public-keys", again: true }));
    this.#fetched = now;
  }

  /**
   * Uses up a proof at the server. Nobody can redeem it after that: any later redemption is a VerifyError with the reason
   * ALREADY_REDEEMED. It is sent once: if the answer is lost, the proof may have been redeemed.
   */
  async redeemProof(token: string, r: ProofRedemption): Promise<RedeemedProof> {
    if (!this.#transport) throw new RequestError("an offline verifier has no server to ask");
    const body = encode({ token, audience: r.audience, action_hash: r.actionHash, amount_minor: r.amountMinor, receipt: r.receipt });
    const answer = await this.#transport.do({ method: "POST", path: "/v1/redeem-proof", body });
    const { valid, reason, redeemed_at: at } = answer;
    if (valid === false) {
      throw new VerifyError(reason as Reason, `the server says ${String(reason)}${at ? `; it was redeemed at ${String(at)}` : ""}`);
    }
    const claims = answer["claims"] as Claims | undefined;
    if (valid !== true || typeof at !== "string" || claims?.purpose !== "proof" || claims.decision !== "ALLOW" || claims.aud !== r.audience) {
      throw new ResponseError("the server's answer says nothing about a proof");
    }
    return { claims, redeemedAt: at };
  }

  /** Lets the server check a proof token. It accepts the token as often as it is shown; see redeemProof. */
  async verifyOnline(token: string, expect: Expect = {}): Promise<Claims> {
    if (!this.#transport) throw new RequestError("an offline verifier has no server to ask");
    const body = encode({
      token, expected_action_hash: expect.actionHash, expected_agent_id: expect.agentId, expected_audience: expect.audience,
    });
    const answer = await this.#transport.do({ method: "POST", path: "/v1/verify-proof", body, again: true });
    if (typeof answer["valid"] !== "boolean") throw new ResponseError("the server's answer says nothing about a proof");
    if (!answer["valid"]) throw new VerifyError(answer["reason"] as Reason, `the server says ${String(answer["reason"])}`);
    const claims = answer["claims"] as Claims | undefined;
    if (claims?.purpose !== "proof" || claims.decision !== "ALLOW") throw new ResponseError("the server's answer says nothing about a proof");
    compare(claims, expect);
    return claims;
  }
}
