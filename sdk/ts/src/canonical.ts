import { RequestError } from "./error.js";

const maxDepth = 32;
const loneSurrogate = /\p{Surrogate}/u;

/**
 * The canonical form (RFC 8785) of a JSON value. Throws a RequestError for what has none, or one that
 * means another number: integers beyond ±(2^53-1), NaN, half a surrogate pair, more than 32 levels.
 */
export function canonical(value: unknown, depth = 0): string {
  switch (typeof value) {
    case "boolean":
      return String(value);
    case "string":
      if (loneSurrogate.test(value)) throw new RequestError("a string holds half a surrogate pair", { code: "INVALID_UTF8" });
      return JSON.stringify(value);
    case "number":
      checkNumber(value);
      return JSON.stringify(value);
    case "object":
      break;
    default:
      throw new RequestError(`a ${typeof value} is no JSON value`, { code: "INVALID_JSON" });
  }
  if (value === null) return "null";
  if (depth === maxDepth) throw new RequestError("the value is nested more than 32 levels deep", { code: "TOO_DEEP" });
  if (Array.isArray(value)) return `[${value.map((v) => canonical(v, depth + 1)).join(",")}]`;
  const members = value as Record<string, unknown>;
  // JavaScript orders strings by UTF-16 code units, as the RFC wants it.
  const names = Object.keys(members).sort();
  return `{${names.map((n) => `${canonical(n, depth + 1)}:${canonical(members[n], depth + 1)}`).join(",")}}`;
}

function checkNumber(n: number): void {
  if (!Number.isFinite(n) || Math.abs(n) > Number.MAX_SAFE_INTEGER) {
    throw new RequestError(`the number ${n} cannot be represented exactly`, { code: "INEXACT_NUMBER" });
  }
}

/** JSON.stringify, but what it would silently turn into null or leave out of a list is an error. */
export function encode(value: unknown): string {
  try {
    return JSON.stringify(value, (_, v: unknown) => {
      if (typeof v === "number") checkNumber(v);
      return v;
    });
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    throw new RequestError("the action does not encode to JSON", { code: "INVALID_JSON", cause });
  }
}

/** The action hash: hex SHA-256 of the canonical form of an action without approval_token. */
export async function actionHash(action: object): Promise<string> {
  return sha256(canonical(action));
}

/** Hex SHA-256 of the UTF-8 of a text. */
export async function sha256(text: string): Promise<string> {
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("");
}
