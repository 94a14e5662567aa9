import { actionHash, encode } from "./canonical.js";
import { ApprovalError, NotAllowedError, OpenLeashError, RequestError, ResponseError } from "./error.js";
import { privateKey } from "./key.js";
import { signRequest } from "./request.js";
import { type Call, type ServerConfig, sleep, Transport } from "./transport.js";

/** Which agent asks which server. */
export interface Config extends ServerConfig {
  agentId: string;
  /** Base64 of DER PKCS#8. */
  privateKeyB64: string;
  /** The owner that the agent acts for, if it is to be named. */
  ownerId?: string | undefined;
}

/** What an agent is about to do. Only action is required. */
export interface Action {
  /** The action type, such as purchase.order. */
  action: string;
  /** What the policy looks at. */
  context?: object | undefined;
  /** Idempotency key; a random one unless given. To ask again about the same action, give requestedAt as before too. */
  id?: string | undefined;
  /** Now unless given. */
  requestedAt?: Date | undefined;
  resource?: { resourceId?: string; resourceType?: string } | undefined;
  /** The counterparty that the proof is for. */
  relyingParty?: { rpId?: string; domain?: string; trustProfile?: "LOW" | "MEDIUM" | "HIGH" | "REGULATED" } | undefined;
}

const results = ["ALLOW", "DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT"] as const;
/** What a decision says. Only ALLOW is a yes. */
export type Result = (typeof results)[number];

/** What must hold for a decision to stand. */
export interface Obligation { id: string; type: string; status: string; details: unknown }

/** What is left of one budget, in minor units or actions. */
export interface Budget { id: string; policyId: string; currency: string; limit: number; spent: number; remaining: number; resetsAt: string | undefined }

type Wire = Record<string, any>;

const budget = (b: Wire): Budget => ({
  id: b["id"], policyId: b["policy_id"] ?? "", currency: b["currency"] ?? "", limit: b["limit"], spent: b["spent"], remaining: b["remaining"],
  resetsAt: b["resets_at"] ?? undefined,
});

/** The server's answer to one action. */
export class Decision {
  readonly id: string;
  readonly actionId: string;
  readonly actionHash: string;
  readonly result: Result;
  readonly matchedPolicyId: string;
  readonly matchedRuleId: string;
  readonly reason: string;
  /** For the counterparty; only on ALLOW, and only if the policy asks for one. */
  readonly proofToken: string | undefined;
  readonly proofExpiresAt: string | undefined;
  readonly obligations: readonly Obligation[];
  readonly budgets: readonly Budget[];

  /** action is the request that was decided, as it was sent. */
  constructor(answer: Wire, readonly action: Wire) {
    this.id = answer["decision_id"];
    this.actionId = answer["action_id"];
    this.actionHash = answer["action_hash"];
    this.result = answer["result"];
    this.matchedPolicyId = answer["matched_policy_id"] ?? "";
    this.matchedRuleId = answer["matched_rule_id"] ?? "";
    this.reason = answer["reason"] ?? "";
    this.proofToken = answer["proof_token"] ?? undefined;
    this.proofExpiresAt = answer["proof_expires_at"] ?? undefined;
    this.obligations = (answer["obligations"] ?? []).map((o: Wire) => ({ id: o["obligation_id"], type: o["type"], status: o["status"], details: o["details_json"] }));
    this.budgets = (answer["budgets"] ?? []).map(budget);
  }

  /** Whether the action may be done. */
  get allowed(): boolean { return this.result === "ALLOW"; }

  /** Whether the owner can still allow it. */
  get needsApproval(): boolean { return this.result.startsWith("REQUIRE_"); }

  get actionType(): string { return String(this.action["action_type"]); }

  /** Throws a NotAllowedError unless the action is allowed. */
  require(): this {
    if (!this.allowed) throw new NotAllowedError(this);
    return this;
  }
}

/** An agent's request that its owner approve one decision. */
export interface ApprovalRequest {
  id: string;
  /** PENDING, APPROVED, DENIED, EXPIRED or CONSUMED. */
  status: string;
  decisionId: string;
  denyReason: string;
  expiresAt: string;
  /** Once APPROVED. */
  token: string | undefined;
}

const approvalRequest = (a: Wire): ApprovalRequest => ({
  id: a["approval_request_id"], status: a["status"], decisionId: a["decision_id"] ?? "", denyReason: a["deny_reason"] ?? "",
  expiresAt: a["expires_at"] ?? "", token: a["approval_token"] || undefined,
});

/** How the budgets stand after a charge was settled. */
export interface Settlement { decisionId: string; settled: string; budgets: Budget[] }

/** A policy that an agent proposes. It changes nothing until the owner approves it. */
export interface Draft { policyYaml: string; appliesToAgentPrincipalId?: string; name?: string; description?: string; justification?: string }

/** A proposed policy as the server knows it. */
export interface PolicyDraft { id: string; status: string; policyYaml: string; policyId: string; denyReason: string; createdAt: string }

const policyDraft = (d: Wire): PolicyDraft => ({
  id: d["policy_draft_id"], status: d["status"], policyYaml: d["policy_yaml"] ?? "", policyId: d["policy_id"] ?? "",
  denyReason: d["deny_reason"] ?? "", createdAt: d["created_at"] ?? "",
});

/** The agent as the server knows it. */
export interface Self { agentPrincipalId: string; agentId: string; ownerType: string; ownerId: string; status: string }

/** How long one request waits at the server for a decision of the owner. */
const holdSeconds = 30;

/** Speaks for one agent. */
export class Client {
  readonly #transport: Transport;
  readonly #config: Config;

  /** Does not connect. Throws a RequestError or, on first use, an InvalidKeyError. */
  constructor(config: Config) {
    this.#transport = new Transport(config);
    this.#config = { ...config };
    if (!config.agentId) throw new RequestError("no agent id is given; it is OPENLEASH_AGENT_ID in the file that registering wrote");
  }

  /** The agent that the environment names: OPENLEASH_URL, _AGENT_ID, _AGENT_PRIVATE_KEY_B64 and, optionally, _OWNER_ID. */
  static fromEnv(env: Record<string, string | undefined> = (globalThis as Wire)["process"]?.env ?? {}): Client {
    return new Client({
      url: env["OPENLEASH_URL"] ?? "", agentId: env["OPENLEASH_AGENT_ID"] ?? "",
      privateKeyB64: env["OPENLEASH_AGENT_PRIVATE_KEY_B64"] ?? "", ownerId: env["OPENLEASH_OWNER_ID"],
    });
  }

  /**
   * Asks whether the agent may do an action. A DENY is an answer and no error; see Decision.require.
   * May send the same request again, which the server decides and charges once.
   */
  async authorize(a: Action): Promise<Decision> {
    const action = this.#request(a);
    return this.#ask(action, action);
  }

  /** Asks again for an action that the owner approved. The token is good for one ALLOW. */
  async redeem(decision: Decision, approvalToken: string): Promise<Decision> {
    try {
      return await this.#ask(decision.action, { ...decision.action, approval_token: approvalToken });
    } catch (error) {
      if (!(error instanceof OpenLeashError) || error.code !== "APPROVAL_TOKEN_CONSUMED") throw error;
      // Perhaps by this very request, whose answer was lost. If so, the server knows the action and
      // repeats its answer; if not, it asks for an approval again.
      return this.#ask(decision.action, decision.action);
    }
  }

  /** Does what act does only if the action is allowed; else throws a NotAllowedError. Waits for no approval. */
  async guard<T>(a: Action, act: (decision: Decision) => T | Promise<T>): Promise<T> {
    return act((await this.authorize(a)).require());
  }

  /**
   * authorize, and where the decision needs it: requests approval, waits for the owner, and asks again.
   * The owner's no is an ApprovalError.
   */
  async authorizeAndWait(a: Action, options: { justification?: string; timeoutMs?: number } = {}): Promise<Decision> {
    const decision = await this.authorize(a);
    if (!decision.needsApproval) return decision;
    const request = await this.requestApproval(decision, options.justification);
    const approved = await this.waitForApproval(request.id, options.timeoutMs);
    return this.redeem(decision, approved.token!);
  }

  /** Asks the owner to approve a decision that needs it. Asked twice, it is the same request. */
  async requestApproval(decision: Decision, justification?: string): Promise<ApprovalRequest> {
    const body = encode({ decision_id: decision.id, action: decision.action, justification });
    return approvalRequest(await this.#signed({ method: "POST", path: "/v1/agent/approval-requests", body, again: true }, "approval_request_id", "status"));
  }

  /** An approval request as it stands now. */
  async approval(id: string): Promise<ApprovalRequest> {
    return this.#approval(id, {});
  }

  async #approval(id: string, wait: { query?: string; patienceMs?: number }): Promise<ApprovalRequest> {
    const path = `/v1/agent/approval-requests/${encodeURIComponent(id)}`;
    return approvalRequest(await this.#signed({ method: "GET", path, again: true, ...wait }, "approval_request_id", "status"));
  }

  /** Waits until the owner has decided, by default for five minutes. Anything but APPROVED is an ApprovalError. */
  async waitForApproval(id: string, timeoutMs = 300_000): Promise<ApprovalRequest> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const asked = Date.now();
      const wait = Math.round(Math.min(holdSeconds, Math.max(deadline - asked, 0) / 1000));
      const request = await this.#approval(id, { query: `wait=${wait}s`, patienceMs: wait * 1000 });
      if (request.status === "APPROVED" && request.token) return request;
      if (request.status !== "PENDING" || Date.now() >= deadline) throw new ApprovalError(request);
      // A server that does not hold its answer is asked about once a second.
      await sleep(Math.min(asked + 1000, deadline) - Date.now());
    }
  }

  /** Tells what an allowed action really cost, in minor units. */
  async commit(decisionId: string, amountMinor: number): Promise<Settlement> { return this.#settle(decisionId, "commit", amountMinor); }

  /** Gives back what an allowed action charged, because it was not done. */
  async release(decisionId: string): Promise<Settlement> { return this.#settle(decisionId, "release"); }

  /** Gives back a part of what was committed, in minor units. */
  async refund(decisionId: string, amountMinor: number): Promise<Settlement> { return this.#settle(decisionId, "refund", amountMinor); }

  async #settle(decisionId: string, kind: string, amountMinor?: number): Promise<Settlement> {
    const path = `/v1/agent/decisions/${encodeURIComponent(decisionId)}/${kind}`;
    const answer = await this.#signed({ method: "POST", path, body: encode({ amount_minor: amountMinor }), again: true }, "decision_id") as Wire;
    return { decisionId: answer["decision_id"], settled: answer["settled"] ?? kind, budgets: (answer["budgets"] ?? []).map(budget) };
  }

  /** Proposes a policy to the owner. Sent once: the server would take a second one for another proposal. */
  async createPolicyDraft(d: Draft): Promise<PolicyDraft> {
    const body = encode({
      policy_yaml: d.policyYaml, applies_to_agent_principal_id: d.appliesToAgentPrincipalId, name: d.name,
      description: d.description, justification: d.justification,
    });
    return policyDraft(await this.#signed({ method: "POST", path: "/v1/agent/policy-drafts", body }, "policy_draft_id"));
  }

  /** A proposed policy as it stands now. */
  async policyDraft(id: string): Promise<PolicyDraft> {
    return policyDraft(await this.#signed({ method: "GET", path: `/v1/agent/policy-drafts/${encodeURIComponent(id)}`, again: true }, "policy_draft_id"));
  }

  /** What the agent proposed, newest first. */
  async policyDrafts(): Promise<PolicyDraft[]> {
    const answer = await this.#signed({ method: "GET", path: "/v1/agent/policy-drafts", again: true }) as Wire;
    if (!Array.isArray(answer["policy_drafts"])) throw new ResponseError("the answer holds no list of policy drafts; check the URL");
    return answer["policy_drafts"].map(policyDraft);
  }

  /** Who the agent is to the server: the simplest check of URL, agent id and key. */
  async self(): Promise<Self> {
    const s = await this.#signed({ method: "GET", path: "/v1/agent/self", again: true }, "agent_id") as Wire;
    return { agentPrincipalId: s["agent_principal_id"], agentId: s["agent_id"], ownerType: s["owner_type"], ownerId: s["owner_id"], status: s["status"] };
  }

  /** Builds the whole action request. */
  #request(a: Action): Wire {
    if (typeof a?.action !== "string" || !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(a.action) || a.action.length > 128) {
      throw new RequestError("the action must be a type such as purchase.order", { code: "INVALID_ACTION" });
    }
    const context = a.context ?? {};
    if (typeof context !== "object" || Array.isArray(context)) throw new RequestError("the context must be an object", { code: "INVALID_ACTION" });
    const { resource, relyingParty } = a;
    // What is sent is what the hash is of: encoded once, read back.
    return JSON.parse(encode({
      action_id: a.id ?? crypto.randomUUID(), action_type: a.action, requested_at: (a.requestedAt ?? this.#transport.now()).toISOString(),
      principal: { agent_id: this.#config.agentId },
      subject: this.#config.ownerId ? { principal_id: this.#config.ownerId } : undefined,
      resource: resource && { resource_id: resource.resourceId, resource_type: resource.resourceType },
      relying_party: relyingParty && { rp_id: relyingParty.rpId, domain: relyingParty.domain, trust_profile: relyingParty.trustProfile },
      payload: context,
    })) as Wire;
  }

  /** Sends request, which is action with or without an approval token beside it. */
  async #ask(action: Wire, request: Wire): Promise<Decision> {
    const hash = await actionHash(action);
    const answer = await this.#signed({ method: "POST", path: "/v1/authorize", body: encode(request), again: true }, "decision_id", "result");
    if (!results.includes(answer["result"] as Result)) {
      throw new ResponseError(`the result "${String(answer["result"])}" is none that this version knows; take it for a no, and update`);
    }
    if (answer["action_hash"] !== hash) {
      throw new ResponseError("the answer is about another action than was asked; something between here and the server changes requests");
    }
    return new Decision(answer, action);
  }

  async #signed(call: Call, ...needed: string[]): Promise<Record<string, unknown>> {
    const { agentId, privateKeyB64 } = this.#config;
    await privateKey(privateKeyB64); // a key of the wrong kind is told before anything is sent
    return this.#transport.do({
      ...call,
      sign: () => signRequest({
        agentId, privateKeyB64, method: call.method, path: call.path, timestamp: this.#transport.now().toISOString(),
        nonce: crypto.randomUUID(), body: call.body ?? "",
      }),
    }, ...needed);
  }
}
