import type { ApprovalRequest, Decision } from "./client.js";

/** What went wrong between this program and the server. Its class says which; its text what to do. */
export class OpenLeashError extends Error {
  override name = "OpenLeashError";
  /** The server's code, such as NO_POLICY; empty if it gave none. */
  readonly code: string;
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  /** @internal */ retryAfterMs = 0;

  constructor(message: string, options: { code?: string; status?: number; cause?: unknown } = {}) {
    super(options.code ? `${message} (${options.code})` : message, { cause: options.cause });
    this.code = options.code ?? "";
    this.status = options.status ?? 0;
  }
}

/** No connection to the server. */
export class UnreachableError extends OpenLeashError { override name = "UnreachableError"; }
/** The server did not answer in time. */
export class ServerTimeoutError extends OpenLeashError { override name = "ServerTimeoutError"; }
/** HTTP 5xx. */
export class ServerError extends OpenLeashError { override name = "ServerError"; }
/** An answer that is not JSON, not the protocol, or not to what was asked. */
export class ResponseError extends OpenLeashError { override name = "ResponseError"; }
/** This machine's clock is wrong, or the server's. */
export class ClockSkewError extends OpenLeashError { override name = "ClockSkewError"; }
/** A key of the wrong kind, or one that the server does not take. */
export class InvalidKeyError extends OpenLeashError { override name = "InvalidKeyError"; }
/** A request that cannot be made, or any other HTTP 4xx; code says why. */
export class RequestError extends OpenLeashError { override name = "RequestError"; }

/** A decision other than ALLOW where an ALLOW was needed. */
export class NotAllowedError extends OpenLeashError {
  override name = "NotAllowedError";
  constructor(readonly decision: Decision) {
    super(`${decision.actionType} is not allowed: ${decision.result}: ${decision.reason}`);
  }
}

/** An approval request that did not lead to a yes: denied, expired, or not decided in time. */
export class ApprovalError extends OpenLeashError {
  override name = "ApprovalError";
  constructor(readonly request: ApprovalRequest) {
    super(
      request.status === "DENIED" ? `the owner denied the request ${request.id}: ${request.denyReason}`
      : request.status === "PENDING" ? `the owner has not decided the request ${request.id} yet; wait for it again later`
      : `the request ${request.id} is ${request.status}; ask again with a new action`,
    );
  }
}

/** Why a token is not valid. */
export type Reason =
  | "MALFORMED" | "UNKNOWN_KEY" | "REVOKED_KEY" | "BAD_SIGNATURE" | "WRONG_PURPOSE" | "NOT_YET_VALID" | "EXPIRED"
  | "ACTION_MISMATCH" | "AGENT_MISMATCH" | "AUDIENCE_MISMATCH" | "AMOUNT_MISMATCH" | "CURRENCY_MISMATCH"
  | "ONLINE_ONLY" | "ALREADY_REDEEMED" | "REPLAY_CACHE_FULL";

/** A token that is not valid. code is the reason. */
export class VerifyError extends OpenLeashError {
  override name = "VerifyError";
  constructor(readonly reason: Reason, message: string) {
    super(`the token is not valid: ${message}`, { code: reason });
  }
}
