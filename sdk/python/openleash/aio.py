"""The same for asyncio: each request runs in a thread, and waiting for an owner in none."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional, TypeVar, Union

from .client import ApprovalRequest, Client, Decision, approved, decided
from .tokens import Expect
from .verifier import Verifier

T = TypeVar("T")


class AsyncClient:
    """Client for asyncio. Methods and arguments are those of Client."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.sync = Client(*args, **more)

    @classmethod
    def from_env(cls, *args: Any) -> AsyncClient:
        return cls.of(Client.from_env(*args))

    @classmethod
    def of(cls, client: Client) -> AsyncClient:
        """The same agent as a client that exists."""
        made = cls.__new__(cls)
        made.sync = client
        return made

    async def authorize(self, action: str, context: Optional[Mapping[str, Any]] = None, **more: Any) -> Decision:
        return await asyncio.to_thread(self.sync.authorize, action, context, **more)

    async def redeem(self, decision: Decision, approval_token: str) -> Decision:
        return await asyncio.to_thread(self.sync.redeem, decision, approval_token)

    async def guard(self, action: str, context: Optional[Mapping[str, Any]], act: Callable[[Decision], Union[T, Awaitable[T]]],
                    **more: Any) -> T:
        """act may be a coroutine function."""
        outcome = act((await self.authorize(action, context, **more)).require())
        return await outcome if inspect.isawaitable(outcome) else outcome

    async def authorize_and_wait(self, action: str, context: Optional[Mapping[str, Any]] = None, *,
                                 justification: Optional[str] = None, timeout: float = 300, **more: Any) -> Decision:
        decision = await self.authorize(action, context, **more)
        if not decision.needs_approval:
            return decision
        request = await self.request_approval(decision, justification)
        return await self.redeem(decision, (await self.wait_for_approval(request.id, timeout)).token or "")

    async def request_approval(self, decision: Decision, justification: Optional[str] = None) -> ApprovalRequest:
        return await asyncio.to_thread(self.sync.request_approval, decision, justification)

    async def approval(self, id: str, wait: int = 0) -> ApprovalRequest:
        return await asyncio.to_thread(self.sync.approval, id, wait)

    async def wait_for_approval(self, id: str, timeout: float = 300) -> ApprovalRequest:
        """Asks once a second, so that many may wait without a thread each."""
        deadline = time.monotonic() + timeout
        while True:
            request = await self.approval(id)
            left = deadline - time.monotonic()
            if decided(request) or left <= 0:
                return approved(request)
            await asyncio.sleep(min(1, left))

    async def commit(self, decision_id: str, amount_minor: int) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.commit, decision_id, amount_minor)

    async def release(self, decision_id: str) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.release, decision_id)

    async def refund(self, decision_id: str, amount_minor: int) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.refund, decision_id, amount_minor)

    async def create_policy_draft(self, policy_yaml: str, **more: Any) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.create_policy_draft, policy_yaml, **more)

    async def policy_draft(self, id: str) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.policy_draft, id)

    async def policy_drafts(self) -> List[Dict[str, Any]]:
        return await asyncio.to_thread(self.sync.policy_drafts)

    async def self(self) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.self)


class AsyncVerifier:
    """Verifier for asyncio."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.sync = Verifier(*args, **more)

    async def verify(self, token: str, expect: Expect = Expect()) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.verify, token, expect)

    async def redeem_proof(self, token: str, audience: str, **more: Any) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.redeem_proof, token, audience, **more)

    async def verify_online(self, token: str, expect: Expect = Expect()) -> Dict[str, Any]:
        return await asyncio.to_thread(self.sync.verify_online, token, expect)
