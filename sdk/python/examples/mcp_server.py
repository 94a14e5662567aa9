"""An MCP server over stdio whose tools run only on ALLOW.

Run it with the agent's environment: python3 -m examples.mcp_server
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, TextIO

from openleash import Client, OpenLeashError


class Tool(NamedTuple):
    name: str
    description: str
    action: str  # the action type that the policy knows
    schema: Dict[str, Any]  # JSON Schema of the arguments
    run: Callable[[Dict[str, Any], Optional[str]], str]  # arguments, proof token → text


ORDER = Tool(
    "place_order", "Order something from a shop.", "purchase.order",
    {"type": "object", "required": ["amount", "currency"],
     "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}}},
    lambda arguments, proof: f"ordered for {arguments['amount']} {arguments['currency']}")


def serve(client: Client, tools: Iterable[Tool], lines: Iterable[str], out: TextIO) -> None:
    """Answer JSON-RPC requests, one a line, until the input ends."""
    by_name = {tool.name: tool for tool in tools}
    for line in lines:
        try:
            request = json.loads(line)
            answer = _answer(client, by_name, request)
        except (ValueError, KeyError, TypeError, AttributeError):
            request, answer = {"id": None}, {"error": {"code": -32600, "message": "invalid request"}}
        if answer is not None:
            out.write(json.dumps({"jsonrpc": "2.0", "id": request.get("id"), **answer}) + "\n")
            out.flush()


def _answer(client: Client, tools: Dict[str, Tool], request: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    method, params = request["method"], request.get("params") or {}
    if "id" not in request:
        return None  # a notification
    if method == "initialize":
        return {"result": {"protocolVersion": params.get("protocolVersion", "2025-06-18"), "capabilities": {"tools": {}},
                           "serverInfo": {"name": "guarded", "version": "1"}}}
    if method == "ping":
        return {"result": {}}
    if method == "tools/list":
        return {"result": {"tools": [{"name": t.name, "description": t.description, "inputSchema": t.schema} for t in tools.values()]}}
    if method == "tools/call" and params.get("name") in tools:
        return {"result": _call(client, tools[params["name"]], params.get("arguments") or {})}
    return {"error": {"code": -32601, "message": "no such method or tool"}}


def _call(client: Client, tool: Tool, arguments: Dict[str, Any]) -> Dict[str, Any]:
    try:
        text = client.guard(tool.action, arguments, lambda decision: tool.run(arguments, decision.proof_token))
        return {"content": [{"type": "text", "text": text}]}
    except OpenLeashError as error:
        return {"content": [{"type": "text", "text": f"not done: {error}"}], "isError": True}


if __name__ == "__main__":
    serve(Client.from_env(), [ORDER], sys.stdin, sys.stdout)
