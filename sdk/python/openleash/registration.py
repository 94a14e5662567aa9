"""Becoming an agent of an owner."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Dict
from urllib.parse import parse_qs, urlsplit

from .canonical import canonical
from .client import Client
from .errors import RequestError, ResponseError
from .keys import KeyPair, decode, private_key
from .transport import Call, Transport

_INVITE_PATH = "/v1/agents/register-with-invite"


@dataclass(frozen=True)
class Registration:
    """An agent that is bound to its owner."""

    agent_principal_id: str
    agent_id: str
    owner_type: str
    owner_id: str
    status: str  # ACTIVE, or PENDING until the owner accepts it
    url: str
    key_pair: KeyPair = field(repr=False)

    def client(self, **more: Any) -> Client:
        """A client for the agent."""
        return Client(self.url, self.agent_id, self.key_pair.private_key_b64, self.owner_id, **more)

    def env(self) -> str:
        """The registration as Client.from_env reads it, one NAME=value a line. It holds the private key."""
        return (f"OPENLEASH_URL={self.url}\nOPENLEASH_AGENT_ID={self.agent_id}\n"
                f"OPENLEASH_AGENT_PRIVATE_KEY_B64={self.key_pair.private_key_b64}\nOPENLEASH_OWNER_ID={self.owner_id}\n")


def redeem_invite(invite_url: str, agent_id: str, key_pair: KeyPair, **more: Any) -> Registration:
    """Make the agent one of the owner who made the invite. The invite is good for one agent, so it is sent once."""
    try:
        invite = urlsplit(invite_url.strip())
        query = parse_qs(invite.query)
    except ValueError:
        invite, query = urlsplit(""), {}
    before, found, _ = invite.path.partition(_INVITE_PATH)
    if not found or not query.get("invite_id") or not query.get("invite_token"):
        raise RequestError(f"the URL is no agent invite: it ends in {_INVITE_PATH}?invite_id=…&invite_token=…")
    transport = Transport(f"{invite.scheme}://{invite.netloc}{before}", **more)
    return _join(transport, _INVITE_PATH, key_pair, {
        "invite_id": query["invite_id"][0], "invite_token": query["invite_token"][0],
        "agent_id": agent_id, "agent_pubkey_b64": key_pair.public_key_b64,
    })


def register(url: str, agent_id: str, owner_type: str, owner_id: str, key_pair: KeyPair, **more: Any) -> Registration:
    """Ask to join an owner without an invite, by signing a challenge of the server.

    The agent is PENDING until the owner accepts it.
    """
    transport = Transport(url, **more)
    request = {"agent_id": agent_id, "agent_pubkey_b64": key_pair.public_key_b64, "owner_type": owner_type, "owner_id": owner_id}
    challenge = transport.do(
        Call("POST", "/v1/agents/registration-challenge", body=canonical(request).encode(), again=True), "challenge_id", "challenge_b64")
    message = decode(challenge["challenge_b64"])
    if not message:
        raise ResponseError("the server's challenge is not base64")
    signature = private_key(key_pair.private_key_b64).sign(message)
    return _join(transport, "/v1/agents/register", key_pair, {
        **request, "challenge_id": challenge["challenge_id"], "signature_b64": base64.b64encode(signature).decode()})


def _join(transport: Transport, path: str, key_pair: KeyPair, request: Dict[str, str]) -> Registration:
    answer = transport.do(Call("POST", path, body=canonical(request).encode()), "agent_id", "owner_id")
    if answer["agent_id"] != request["agent_id"]:
        raise ResponseError("the server registered another agent than was asked")
    return Registration(answer.get("agent_principal_id") or "", answer["agent_id"], answer.get("owner_type") or "", answer["owner_id"],
                        answer.get("status") or "", answer.get("openleash_url") or transport.url, key_pair)
