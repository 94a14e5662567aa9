import { sha256 } from "./canonical.js";
import { sign } from "./key.js";

/** What signs a request: see protocol, "Agent request signing". */
export interface ToSign {
  agentId: string;
  privateKeyB64: string;
  method: string;
  /** Without the query. */
  path: string;
  /** RFC 3339, UTC, milliseconds. */
  timestamp: string;
  /** Any text that the agent uses once. */
  nonce: string;
  body: string;
}

/** The headers of a signed request. */
export async function signRequest(r: ToSign): Promise<Record<string, string>> {
  const bodyHash = await sha256(r.body);
  const text = [r.method, r.path, r.timestamp, r.nonce, bodyHash].join("\n");
  return {
    "X-Agent-Id": r.agentId,
    "X-Timestamp": r.timestamp,
    "X-Nonce": r.nonce,
    "X-Body-Sha256": bodyHash,
    "X-Signature": await sign(r.privateKeyB64, new TextEncoder().encode(text)),
  };
}
