import { fromBase64 } from "./base64.js";
import { Client, type Config } from "./client.js";
import { RequestError, ResponseError } from "./error.js";
import { type KeyPair, sign } from "./key.js";
import { type ServerConfig, Transport } from "./transport.js";

/** An agent that is bound to its owner. */
export class Registration {
  constructor(
    readonly agentPrincipalId: string,
    readonly agentId: string,
    readonly ownerType: string,
    readonly ownerId: string,
    /** ACTIVE, or PENDING until the owner accepts it. */
    readonly status: string,
    readonly url: string,
    readonly keyPair: KeyPair,
  ) {}

  /** A client for the agent. */
  client(config: Partial<Config> = {}): Client {
    return new Client({ url: this.url, agentId: this.agentId, privateKeyB64: this.keyPair.privateKeyB64, ownerId: this.ownerId, ...config });
  }

  /** The registration as Client.fromEnv reads it, one NAME=value a line. It holds the private key. */
  env(): string {
    return `OPENLEASH_URL=${this.url}\nOPENLEASH_AGENT_ID=${this.agentId}\n` +
      `OPENLEASH_AGENT_PRIVATE_KEY_B64=${this.keyPair.privateKeyB64}\nOPENLEASH_OWNER_ID=${this.ownerId}\n`;
  }
}

/** How to reach the server, where the defaults do not do. */
export type Reach = Omit<ServerConfig, "url">;

/** Makes the agent one of the owner who made the invite. The invite is good for one agent, so it is sent once. */
export async function redeemInvite(inviteUrl: string, agentId: string, keyPair: KeyPair, reach: Reach = {}): Promise<Registration> {
  const path = "/v1/agents/register-with-invite";
  const text = inviteUrl.trim();
  const invite = URL.canParse(text) ? new URL(text) : undefined;
  const id = invite?.searchParams.get("invite_id");
  const token = invite?.searchParams.get("invite_token");
  const at = invite?.pathname.indexOf(path) ?? -1;
  if (!invite || !id || !token || at < 0) {
    throw new RequestError(`the URL is no agent invite: it ends in ${path}?invite_id=…&invite_token=…`);
  }
  const transport = new Transport({ ...reach, url: invite.origin + invite.pathname.slice(0, at) });
  return join(transport, path, keyPair, { invite_id: id, invite_token: token, agent_id: agentId, agent_pubkey_b64: keyPair.publicKeyB64 });
}

/**
 * Asks to join an owner without an invite, by signing a challenge of the server. The agent is PENDING
 * until the owner accepts it.
 */
export async function register(url: string, agentId: string, owner: { type: string; id: string }, keyPair: KeyPair, reach: Reach = {}): Promise<Registration> {
  const transport = new Transport({ ...reach, url });
  const request = { agent_id: agentId, agent_pubkey_b64: keyPair.publicKeyB64, owner_type: owner.type, owner_id: owner.id };
  const challenge = await transport.do(
    { method: "POST", path: "/v1/agents/registration-challenge", body: JSON.stringify(request), again: true }, "challenge_id", "challenge_b64");
  const message = fromBase64(String(challenge["challenge_b64"]));
  if (!message?.length) throw new ResponseError("the server's challenge is not base64");
  return join(transport, "/v1/agents/register", keyPair, {
    ...request, challenge_id: challenge["challenge_id"], signature_b64: await sign(keyPair.privateKeyB64, message),
  });
}

async function join(transport: Transport, path: string, keyPair: KeyPair, request: { agent_id: string; [name: string]: unknown }): Promise<Registration> {
  const answer = await transport.do({ method: "POST", path, body: JSON.stringify(request) }, "agent_id", "owner_id");
  const text = (name: string) => String(answer[name] ?? "");
  if (answer["agent_id"] !== request.agent_id) throw new ResponseError("the server registered another agent than was asked");
  return new Registration(text("agent_principal_id"), text("agent_id"), text("owner_type"), text("owner_id"), text("status"),
    text("openleash_url") || transport.url, keyPair);
}
