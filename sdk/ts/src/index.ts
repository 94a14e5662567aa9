export { actionHash, canonical } from "./canonical.js";
export {
  type Action, type ApprovalRequest, type Budget, Client, type Config, Decision, type Draft, type Obligation, type PolicyDraft,
  type Result, type Self, type Settlement,
} from "./client.js";
export * from "./error.js";
export { generateKeyPair, type KeyPair, parseKeyPair } from "./key.js";
export { redeemInvite, register, Registration } from "./register.js";
export { ReplayCache } from "./replay.js";
export { signRequest, type ToSign } from "./request.js";
export { type Claims, type Expect, parsePublicKeys, type PublicKey, verifyToken } from "./token.js";
export type { ServerConfig } from "./transport.js";
export { type ProofRedemption, type RedeemedProof, Verifier } from "./verifier.js";
