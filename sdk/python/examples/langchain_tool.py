"""A tool as LangChain has them (name, description, invoke, ainvoke) that asks before it runs.

With LangChain installed, `StructuredTool.from_function(func=guarded.invoke_with, coroutine=guarded.ainvoke_with, …)`
takes it as it is. A tool that is not allowed returns why, so that the model can choose something else.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict

from openleash import AsyncClient, Client, NotAllowedError, OpenLeashError


class GuardedTool:
    """Wraps a function so that it runs only on ALLOW. Its arguments are the context of the action."""

    def __init__(self, client: Client, action: str, func: Callable[..., str], description: str = "") -> None:
        self.name = func.__name__
        self.description = description or (func.__doc__ or "").strip()
        self._client, self._async, self._action, self._func = client, AsyncClient.of(client), action, func

    def invoke(self, arguments: Dict[str, Any]) -> str:
        try:
            return self._client.guard(self._action, arguments, lambda decision: self._func(**arguments))
        except OpenLeashError as error:
            return _refusal(self.name, error)

    async def ainvoke(self, arguments: Dict[str, Any]) -> str:
        async def act(decision: Any) -> str:
            return await asyncio.to_thread(self._func, **arguments)

        try:
            return await self._async.guard(self._action, arguments, act)
        except OpenLeashError as error:
            return _refusal(self.name, error)

    def invoke_with(self, **arguments: Any) -> str:
        return self.invoke(arguments)

    async def ainvoke_with(self, **arguments: Any) -> str:
        return await self.ainvoke(arguments)


def _refusal(name: str, error: OpenLeashError) -> str:
    if isinstance(error, NotAllowedError) and error.decision.needs_approval:
        return f"{name} was not run: your owner must approve it first ({error.decision.reason})"
    return f"{name} was not run: {error}"


def guarded(client: Client, action: str) -> Callable[[Callable[..., str]], GuardedTool]:
    """Decorate a function: @guarded(client, "purchase.order")."""
    return lambda func: GuardedTool(client, action, func)
