"""The client of an agent."""

from __future__ import annotations

import os
import re
import ssl
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Dict, List, Mapping, Optional, TypeVar
from urllib.parse import quote

from .canonical import action_hash, canonical
from .errors import ApprovalError, NotAllowedError, OpenLeashError, RequestError, ResponseError
from .keys import private_key
from .signing import sign_request
from .transport import Call, Transport, format_time

_RESULTS = ("ALLOW", "DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT")
_ACTION_TYPE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_HOLD = 30  # seconds that one request waits at the server for a decision of the owner

T = TypeVar("T")


@dataclass(frozen=True)
class Decision:
    """The server's answer to one action. It is true only if the action is allowed."""

    id: str
    action_id: str
    action_hash: str
    result: str  # ALLOW, DENY, REQUIRE_APPROVAL, REQUIRE_STEP_UP or REQUIRE_DEPOSIT
    reason: str
    matched_policy_id: str
    matched_rule_id: str
    proof_token: Optional[str] = field(repr=False)  # for the counterparty; only on ALLOW
    proof_expires_at: Optional[str]
    obligations: List[Dict[str, Any]]
    budgets: List[Dict[str, Any]]
    action: Dict[str, Any] = field(repr=False)  # the request that was decided, as it was sent

    @property
    def allowed(self) -> bool:
        """Whether the action may be done."""
        return self.result == "ALLOW"

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def needs_approval(self) -> bool:
        """Whether the owner can still allow it."""
        return self.result.startswith("REQUIRE_")

    @property
    def action_type(self) -> str:
        return str(self.action.get("action_type"))

    def require(self) -> Decision:
        """Raise NotAllowedError unless the action is allowed."""
        if not self.allowed:
            raise NotAllowedError(self)
        return self


@dataclass(frozen=True)
class ApprovalRequest:
    """An agent's request that its owner approve one decision."""

    id: str
    status: str  # PENDING, APPROVED, DENIED, EXPIRED or CONSUMED
    decision_id: str
    deny_reason: str
    expires_at: str
    token: Optional[str] = field(repr=False)  # once APPROVED


class Client:
    """Speaks for one agent. It is safe for threads."""

    def __init__(self, url: str, agent_id: str, private_key_b64: str, owner_id: Optional[str] = None, *, timeout: float = 10,
                 attempts: int = 3, now: Optional[Callable[[], datetime]] = None, tls: Optional[ssl.SSLContext] = None) -> None:
        """Does not connect. timeout is for one answer, in seconds; attempts for what may be sent again."""
        self._transport = Transport(url, timeout=timeout, attempts=attempts, now=now, tls=tls)
        if not agent_id:
            raise RequestError("no agent id is given; it is OPENLEASH_AGENT_ID in the file that registering wrote")
        private_key(private_key_b64)
        self._agent_id, self._private_key_b64, self._owner_id = agent_id, private_key_b64, owner_id

    @classmethod
    def from_env(cls, env: Optional[Mapping[str, str]] = None) -> Client:
        """The agent that the environment names: OPENLEASH_URL, OPENLEASH_AGENT_ID,
        OPENLEASH_AGENT_PRIVATE_KEY_B64 and, optionally, OPENLEASH_OWNER_ID. env is os.environ unless given."""
        if env is None:  # not a default argument: help() would print it, the private key included
            env = os.environ
        return cls(env.get("OPENLEASH_URL", ""), env.get("OPENLEASH_AGENT_ID", ""),
                   env.get("OPENLEASH_AGENT_PRIVATE_KEY_B64", ""), env.get("OPENLEASH_OWNER_ID"))

    def authorize(self, action: str, context: Optional[Mapping[str, Any]] = None, *, id: Optional[str] = None,
                  requested_at: Optional[datetime] = None, resource: Optional[Mapping[str, str]] = None,
                  relying_party: Optional[Mapping[str, str]] = None) -> Decision:
        """Ask whether the agent may do an action, such as purchase.order.

        A DENY is an answer and no error; see Decision.require. May send the same request again, which
        the server decides and charges once. To ask again yourself about the same action, give id and
        requested_at as before. resource and relying_party have the names of the wire.
        """
        request = self._request(action, context, id, requested_at, resource, relying_party)
        return self._ask(request, request)

    def redeem(self, decision: Decision, approval_token: str) -> Decision:
        """Ask again for an action that the owner approved. The token is good for one ALLOW."""
        try:
            return self._ask(decision.action, {**decision.action, "approval_token": approval_token})
        except OpenLeashError as error:
            if error.code != "APPROVAL_TOKEN_CONSUMED":
                raise
        # Perhaps by this very request, whose answer was lost. If so, the server knows the action and
        # repeats its answer; if not, it asks for an approval again.
        return self._ask(decision.action, decision.action)

    def guard(self, action: str, context: Optional[Mapping[str, Any]], act: Callable[[Decision], T], **more: Any) -> T:
        """Do what act does only if the action is allowed; else raise NotAllowedError. Waits for no approval."""
        return act(self.authorize(action, context, **more).require())

    def authorize_and_wait(self, action: str, context: Optional[Mapping[str, Any]] = None, *, justification: Optional[str] = None,
                           timeout: float = 300, **more: Any) -> Decision:
        """authorize, and where the decision needs it: request approval, wait for the owner, and ask again.

        The owner's no is an ApprovalError.
        """
        decision = self.authorize(action, context, **more)
        if not decision.needs_approval:
            return decision
        request = self.request_approval(decision, justification)
        return self.redeem(decision, self.wait_for_approval(request.id, timeout).token or "")

    def request_approval(self, decision: Decision, justification: Optional[str] = None) -> ApprovalRequest:
        """Ask the owner to approve a decision that needs it. Asked twice, it is the same request."""
        body = {"decision_id": decision.id, "action": decision.action, "justification": justification}
        return _approval(self._post("/v1/agent/approval-requests", body, "approval_request_id", "status"))

    def approval(self, id: str, wait: int = 0) -> ApprovalRequest:
        """Return an approval request, as it stands when it changes or wait seconds have passed."""
        return _approval(self._signed(Call(
            "GET", f"/v1/agent/approval-requests/{quote(id, safe='')}", query=f"wait={wait}s" if wait else "", again=True,
            patience=wait), "approval_request_id", "status"))

    def wait_for_approval(self, id: str, timeout: float = 300) -> ApprovalRequest:
        """Wait until the owner has decided. Anything but APPROVED is an ApprovalError."""
        deadline = time.monotonic() + timeout
        while True:
            asked = time.monotonic()
            request = self.approval(id, wait=round(min(_HOLD, max(deadline - asked, 0))))
            if decided(request) or time.monotonic() >= deadline:
                return approved(request)
            # A server that does not hold its answer is asked about once a second.
            time.sleep(max(min(asked + 1, deadline) - time.monotonic(), 0))

    def commit(self, decision_id: str, amount_minor: int) -> Dict[str, Any]:
        """Tell what an allowed action really cost, in minor units."""
        return self._settle(decision_id, "commit", amount_minor)

    def release(self, decision_id: str) -> Dict[str, Any]:
        """Give back what an allowed action charged, because it was not done."""
        return self._settle(decision_id, "release", None)

    def refund(self, decision_id: str, amount_minor: int) -> Dict[str, Any]:
        """Give back a part of what was committed, in minor units."""
        return self._settle(decision_id, "refund", amount_minor)

    def _settle(self, decision_id: str, kind: str, amount_minor: Optional[int]) -> Dict[str, Any]:
        return self._post(f"/v1/agent/decisions/{quote(decision_id, safe='')}/{kind}", {"amount_minor": amount_minor}, "decision_id")

    def create_policy_draft(self, policy_yaml: str, *, applies_to_agent_principal_id: Optional[str] = None, name: Optional[str] = None,
                            description: Optional[str] = None, justification: Optional[str] = None) -> Dict[str, Any]:
        """Propose a policy to the owner. Sent once: the server would take a second one for another proposal."""
        return self._post("/v1/agent/policy-drafts", {
            "policy_yaml": policy_yaml, "applies_to_agent_principal_id": applies_to_agent_principal_id, "name": name,
            "description": description, "justification": justification,
        }, "policy_draft_id", again=False)

    def policy_draft(self, id: str) -> Dict[str, Any]:
        """Return a proposed policy as it stands now."""
        return self._signed(Call("GET", f"/v1/agent/policy-drafts/{quote(id, safe='')}", again=True), "policy_draft_id")

    def policy_drafts(self) -> List[Dict[str, Any]]:
        """Return what the agent proposed, newest first."""
        drafts = self._signed(Call("GET", "/v1/agent/policy-drafts", again=True)).get("policy_drafts")
        if not isinstance(drafts, list):
            raise ResponseError("the answer holds no list of policy drafts; check the URL")
        return drafts

    def self(self) -> Dict[str, Any]:
        """Return who the agent is to the server: the simplest check of URL, agent id and key."""
        return self._signed(Call("GET", "/v1/agent/self", again=True), "agent_id")

    def _request(self, action: str, context: Optional[Mapping[str, Any]], id: Optional[str], requested_at: Optional[datetime],
                 resource: Optional[Mapping[str, str]], relying_party: Optional[Mapping[str, str]]) -> Dict[str, Any]:
        """Build the whole action request."""
        if not isinstance(action, str) or not _ACTION_TYPE.fullmatch(action) or len(action) > 128:
            raise RequestError("the action must be a type such as purchase.order", code="INVALID_ACTION")
        if context is not None and not isinstance(context, Mapping):
            raise RequestError("the context must be a mapping", code="INVALID_ACTION")
        return _given({
            "action_id": id or str(uuid.uuid4()),
            "action_type": action,
            "requested_at": format_time(requested_at or self._transport.now()),
            "principal": {"agent_id": self._agent_id},
            "subject": {"principal_id": self._owner_id} if self._owner_id else None,
            "resource": dict(resource) if resource else None,
            "relying_party": dict(relying_party) if relying_party else None,
            "payload": dict(context or {}),
        })

    def _ask(self, action: Dict[str, Any], request: Dict[str, Any]) -> Decision:
        """Send request, which is action with or without an approval token beside it."""
        hash = action_hash(action)
        answer = self._post("/v1/authorize", request, "decision_id", "result")
        if answer["result"] not in _RESULTS:
            raise ResponseError(f"the result {answer['result']!r} is none that this version knows; take it for a no, and update")
        if answer.get("action_hash") != hash:
            raise ResponseError(
                "the answer is about another action than was asked; something between here and the server changes requests")
        return Decision(
            id=answer["decision_id"], action_id=answer.get("action_id") or "", action_hash=hash, result=answer["result"],
            reason=answer.get("reason") or "", matched_policy_id=answer.get("matched_policy_id") or "",
            matched_rule_id=answer.get("matched_rule_id") or "", proof_token=answer.get("proof_token"),
            proof_expires_at=answer.get("proof_expires_at"), obligations=answer.get("obligations") or [],
            budgets=answer.get("budgets") or [], action=action)

    def _post(self, path: str, body: Dict[str, Any], *needed: str, again: bool = True) -> Dict[str, Any]:
        return self._signed(Call("POST", path, body=canonical(_given(body)).encode(), again=again), *needed)

    def _signed(self, call: Call, *needed: str) -> Dict[str, Any]:
        def sign() -> Dict[str, str]:
            return sign_request(agent_id=self._agent_id, private_key_b64=self._private_key_b64, method=call.method, path=call.path,
                                timestamp=format_time(self._transport.now()), nonce=str(uuid.uuid4()), body=call.body)

        return self._transport.do(Call(call.method, call.path, call.query, call.body, call.again, call.patience, sign), *needed)


def _given(members: Dict[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _approval(a: Dict[str, Any]) -> ApprovalRequest:
    return ApprovalRequest(a["approval_request_id"], a["status"], a.get("decision_id") or "", a.get("deny_reason") or "",
                           a.get("expires_at") or "", a.get("approval_token") or None)


def decided(request: ApprovalRequest) -> bool:
    return request.status != "PENDING"


def approved(request: ApprovalRequest) -> ApprovalRequest:
    """Return the request if the owner approved it; else raise ApprovalError."""
    if request.status != "APPROVED" or not request.token:
        raise ApprovalError(request)
    return request
