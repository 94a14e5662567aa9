import { type Bytes, fromBase64URL } from "./base64.js";
import { type Reason, ResponseError, VerifyError } from "./error.js";
import { publicKey } from "./key.js";
import { processReplays, type ReplayCache } from "./replay.js";

/** One key of GET /v1/public-keys. */
export interface PublicKey {
  kid: string;
  kty: string;
  alg: string;
  public_key_b64: string;
  created_at?: string;
  revoked_at?: string | null;
}

/** What a token says, under the names that it has in the token. */
export interface Claims {
  iss: string;
  purpose: "proof" | "approval" | "user_session";
  kid: string;
  iat: string;
  nbf: string;
  exp: string;
  jti?: string;
  decision_id?: string;
  decision?: string;
  owner_type?: string;
  owner_id?: string;
  agent_id?: string;
  action_id?: string;
  action_type?: string;
  action_hash?: string;
  matched_rule_id?: string | null;
  policy_revision?: string;
  aud?: string;
  amount_minor?: number;
  currency?: string;
  trust_profile?: string;
  /** "once-online": the proof is valid only when it is redeemed, with POST /v1/redeem-proof. */
  use?: string;
  approval_request_id?: string;
  sub?: string;
  sid?: string;
}

/**
 * What a counterparty knows about the action that a proof is shown for. What is left out is not
 * compared: give actionHash, or at least audience, lest a proof for one thing pays for another.
 */
export interface Expect {
  actionHash?: string | undefined;
  agentId?: string | undefined;
  /** The counterparty's own domain. */
  audience?: string | undefined;
  amountMinor?: number | undefined;
  currency?: string | undefined;
  /** By how many seconds the server's clock may be ahead of this one. */
  leewaySeconds?: number | undefined;
  /** Remembers the proofs that are accepted; a cache that the whole process shares unless given. */
  replays?: ReplayCache | undefined;
  /** Accepts a proof again and remembers nothing: for a look at one, or before redeemProof. */
  allowReplay?: boolean | undefined;
  /** Accepts offline a proof whose rule says that it must be redeemed. Redeem it before you act. */
  onceOnline?: boolean | undefined;
  /** "proof" unless given. */
  purpose?: Claims["purpose"] | undefined;
  /** Now unless given. */
  now?: Date | undefined;
}

const maxToken = 8 << 10; // bytes
const header = "v4.public.";

const textClaims = [
  "iss", "purpose", "kid", "jti", "decision_id", "decision", "owner_type", "owner_id", "agent_id", "action_id", "action_type",
  "action_hash", "matched_rule_id", "policy_revision", "aud", "currency", "trust_profile", "use", "approval_request_id", "sub", "sid",
] as const;

function refuse(reason: Reason, message: string): never {
  throw new VerifyError(reason, message);
}

/** Checks a token against published keys and returns what it says. A token that is not valid is a VerifyError. A proof is accepted once; see Expect.replays. */
export async function verifyToken(token: string, keys: readonly PublicKey[], expect: Expect = {}): Promise<Claims> {
  const { payload, signature, footer, kid } = open(token);
  const key = keys.find((k) => k.kid === kid && k.kty === "OKP" && k.alg === "EdDSA");
  if (!key) refuse("UNKNOWN_KEY", `no key "${kid}" is known`);
  if (key.revoked_at != null) refuse("REVOKED_KEY", `key "${kid}" is revoked`);
  const message = preAuthenticate(new TextEncoder().encode(header), payload, footer, new Uint8Array());
  if (!(await crypto.subtle.verify("Ed25519", await publicKey(key.public_key_b64), signature, message))) {
    refuse("BAD_SIGNATURE", `it was not signed by key "${kid}"`);
  }
  const claims = parseObject(payload) ?? refuse("MALFORMED", "what it says is no JSON object");
  return check(claims, kid, expect);
}

/** Takes a v4.public token apart. */
function open(token: string): { payload: Bytes; signature: Bytes; footer: Bytes; kid: string } {
  const parts = typeof token === "string" && token.length <= maxToken && token.startsWith(header) ? token.slice(header.length).split(".") : [];
  const body = parts.length === 2 ? fromBase64URL(parts[0]!) : undefined;
  const footer = parts.length === 2 ? fromBase64URL(parts[1]!) : undefined;
  if (!body || !footer || body.length < 64) refuse("MALFORMED", "it is no v4.public token with a footer");
  const kid = parseObject(footer)?.["kid"];
  if (typeof kid !== "string" || kid === "") refuse("MALFORMED", "its footer names no kid");
  return { payload: body.slice(0, -64), signature: body.slice(-64), footer, kid };
}

function parseObject(bytes: Bytes): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** PASETO's pre-authentication encoding: the number of parts, then each with its length before it. */
function preAuthenticate(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(8 + parts.reduce((n, p) => n + 8 + p.length, 0));
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(parts.length), true);
  let at = 8;
  for (const part of parts) {
    view.setBigUint64(at, BigInt(part.length), true);
    out.set(part, at + 8);
    at += 8 + part.length;
  }
  return out;
}

/** Compares claims whose signature holds with what is expected of them. */
function check(said: Record<string, unknown>, kid: string, expect: Expect): Claims {
  for (const name of textClaims) {
    if (said[name] != null && typeof said[name] !== "string") refuse("MALFORMED", "a claim has the wrong type");
  }
  if (said["amount_minor"] != null && !Number.isSafeInteger(said["amount_minor"])) refuse("MALFORMED", "a claim has the wrong type");
  const times = ["iat", "nbf", "exp"].map((name) => parseTime(said[name]));
  const [iat, nbf, exp] = times;
  const claims = said as unknown as Claims;
  const purpose = expect.purpose ?? "proof";
  const now = (expect.now ?? new Date()).getTime();
  if (claims.iss !== "openleash" || claims.kid !== kid) refuse("MALFORMED", "iss or kid is wrong");
  if (claims.purpose !== purpose) refuse("WRONG_PURPOSE", `its purpose is "${claims.purpose}", not "${purpose}"`);
  if (iat === undefined || nbf === undefined || exp === undefined) refuse("MALFORMED", "iat, nbf or exp is missing");
  if (purpose === "proof" && claims.decision !== "ALLOW") refuse("MALFORMED", "a proof must say ALLOW");
  // Written so that a clock that is no number refuses too.
  if (!(now >= nbf - Math.max(expect.leewaySeconds ?? 0, 0) * 1000)) refuse("NOT_YET_VALID", `it is valid from ${claims.nbf}`);
  if (!(now < exp)) refuse("EXPIRED", `it expired at ${claims.exp}`);
  if (purpose === "proof" && !claims.jti) refuse("MALFORMED", "a proof must have a jti");
  compare(claims, expect);
  if (claims.use != null && !(expect.onceOnline === true && claims.use === "once-online")) {
    refuse("ONLINE_ONLY", "it must be redeemed online: POST /v1/redeem-proof");
  }
  // Nothing is awaited from here on: of two at once, one is accepted.
  if (purpose === "proof" && expect.allowReplay !== true) (expect.replays ?? processReplays).record(kid, claims.jti!, exp, now);
  return claims;
}

/** @internal */
export function compare(claims: Claims, expect: Expect): void {
  const differs = (want: unknown, have: unknown) => want !== undefined && want !== have;
  if (differs(expect.actionHash, claims.action_hash)) refuse("ACTION_MISMATCH", "it is for another action");
  if (differs(expect.agentId, claims.agent_id)) refuse("AGENT_MISMATCH", `it is for agent "${claims.agent_id}"`);
  if (differs(expect.audience, claims.aud)) refuse("AUDIENCE_MISMATCH", claims.aud === undefined ? "it names no audience" : `it is for audience "${claims.aud}"`);
  if (differs(expect.amountMinor, claims.amount_minor)) refuse("AMOUNT_MISMATCH", "it is for another amount");
  if (differs(expect.currency, claims.currency)) refuse("CURRENCY_MISMATCH", `it is for currency "${claims.currency}"`);
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Milliseconds since 1970 of an RFC 3339 time. Date.parse would take dates, and days that do not exist. */
function parseTime(value: unknown): number | undefined {
  const m = typeof value === "string" ? rfc3339.exec(value) : null;
  if (!m) return undefined;
  const [year, month, day, hour, minute, second, fraction, offsetHour, offsetMinute] = [1, 2, 3, 4, 5, 6, 7, 9, 10].map((i) => Number(m[i] ?? 0)) as
    [number, number, number, number, number, number, number, number, number];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, Math.floor(fraction * 1000));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return date.getTime() - (m[8] === "-" ? -1 : 1) * (offsetHour * 60 + offsetMinute) * 60_000;
}

/** Reads the body of GET /v1/public-keys. Keys of a kind that is not known yet are left out. */
export function parsePublicKeys(body: unknown): PublicKey[] {
  const list = (body as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new ResponseError("the server's public keys cannot be read; check the URL");
  const keys = (list as PublicKey[]).filter((k) => k?.kty === "OKP" && k.alg === "EdDSA");
  const kids = new Set(keys.map((k) => k.kid));
  if (kids.size !== keys.length || keys.some((k) => typeof k.kid !== "string" || k.kid === "" || typeof k.public_key_b64 !== "string")) {
    throw new ResponseError("the server's public keys are broken");
  }
  return keys;
}
