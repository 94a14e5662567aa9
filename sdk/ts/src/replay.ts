import { VerifyError } from "./error.js";

/** @internal How many proofs a ReplayCache remembers. */
export const maxReplays = 100_000;

/**
 * Remembers the proofs that were accepted, by kid and jti, until they expire: at most 100,000. When it is full it accepts
 * nothing until one of them has expired. It knows what this process accepted, and no more: several processes redeem proofs
 * online instead.
 */
export class ReplayCache {
  readonly #seen = new Map<string, number>(); // when it expires
  #next = Infinity; // none expires before this

  /**
   * @internal Remembers a proof whose claims were all checked, or throws a VerifyError. Expired entries are dropped only when
   * their room is needed, so that a clock that is set back does not let them in again.
   */
  record(kid: string, jti: string, expires: number, now: number): void {
    const key = JSON.stringify([kid, jti]);
    if (this.#seen.has(key)) throw new VerifyError("ALREADY_REDEEMED", "it was accepted here before");
    if (this.#seen.size >= maxReplays && now >= this.#next) {
      this.#next = Infinity;
      for (const [old, end] of this.#seen) {
        if (end <= now) this.#seen.delete(old);
        else this.#next = Math.min(this.#next, end);
      }
    }
    if (this.#seen.size >= maxReplays) {
      throw new VerifyError("REPLAY_CACHE_FULL", "no more proofs can be remembered here; redeem it online: POST /v1/redeem-proof");
    }
    this.#seen.set(key, expires);
    this.#next = Math.min(this.#next, expires);
  }
}

/** @internal Shared by all who name no cache, so that a verifier that is made anew for each request remembers too. */
export const processReplays = new ReplayCache();
