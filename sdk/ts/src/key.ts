import { type Bytes, fromBase64, fromBase64URL, toBase64 } from "./base64.js";
import { InvalidKeyError } from "./error.js";

// RFC 8410 gives every Ed25519 key the same DER bytes before its 32 bytes.
const spkiPrefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const pkcs8Prefix = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

function isKey(der: Bytes, prefix: number[]): boolean {
  return der.length === prefix.length + 32 && prefix.every((b, i) => der[i] === b);
}

/** An agent's Ed25519 key. The private half never leaves the agent. */
export interface KeyPair {
  /** Base64 of DER SPKI. */
  readonly publicKeyB64: string;
  /** Base64 of DER PKCS#8. */
  readonly privateKeyB64: string;
}

/** Makes a new key. */
export async function generateKeyPair(): Promise<KeyPair> {
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const [publicDER, privateDER] = await Promise.all([
    crypto.subtle.exportKey("spki", pair.publicKey), crypto.subtle.exportKey("pkcs8", pair.privateKey),
  ]);
  return keyPair(toBase64(new Uint8Array(publicDER)), toBase64(new Uint8Array(privateDER)));
}

/** Reads a private key in base64 of DER PKCS#8 and derives its public half. */
export async function parseKeyPair(privateKeyB64: string): Promise<KeyPair> {
  const key = await privateKey(privateKeyB64);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  const raw = fromBase64URL(x ?? "") ?? [];
  return keyPair(toBase64(Uint8Array.from([...spkiPrefix, ...raw])), privateKeyB64.trim());
}

/** A key pair whose private half is left out when it is printed, logged or made into JSON. */
function keyPair(publicKeyB64: string, privateKeyB64: string): KeyPair {
  return Object.defineProperty({ publicKeyB64 }, "privateKeyB64", { value: privateKeyB64 }) as KeyPair;
}

/** @internal */
export async function privateKey(b64: string): Promise<CryptoKey> {
  const der = fromBase64(b64.trim());
  if (!der || !isKey(der, pkcs8Prefix)) {
    const what = der && isKey(der, spkiPrefix) ? "this is a public key where a private one is wanted" : "a private key is an Ed25519 key in base64 of DER PKCS#8";
    throw new InvalidKeyError(`the private key cannot be used: ${what}; it is OPENLEASH_AGENT_PRIVATE_KEY_B64 in the file that registering wrote`);
  }
  return crypto.subtle.importKey("pkcs8", der, "Ed25519", true, ["sign"]);
}

/** @internal */
export async function publicKey(b64: string): Promise<CryptoKey> {
  const der = fromBase64(b64);
  if (!der || !isKey(der, spkiPrefix)) {
    const what = der && isKey(der, pkcs8Prefix) ? "this is a private key where a public one is wanted" : "a public key is an Ed25519 key in base64 of DER SPKI";
    throw new InvalidKeyError(`the public key cannot be used: ${what}`);
  }
  return crypto.subtle.importKey("spki", der, "Ed25519", true, ["verify"]);
}

/** Base64 of the Ed25519 signature over bytes. */
export async function sign(privateKeyB64: string, message: Bytes): Promise<string> {
  return toBase64(new Uint8Array(await crypto.subtle.sign("Ed25519", await privateKey(privateKeyB64), message)));
}
