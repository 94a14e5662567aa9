"""A plain agent loop: what the model wants to do is asked before it is done.

Run it with the agent's environment: python3 -m examples.loop
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Iterable, List, Tuple

from openleash import ApprovalError, Client, OpenLeashError

Step = Tuple[str, Dict[str, Any]]


def run(client: Client, steps: Iterable[Step], act: Callable[[str, Dict[str, Any], Any], str], patience: float = 300) -> List[str]:
    """Do each step that is allowed; tell the model of each that is not, and go on."""
    told = []
    for action, context in steps:
        try:
            decision = client.authorize_and_wait(action, context, justification="a step of the plan", timeout=patience)
        except ApprovalError as no:
            told.append(f"{action}: {no}")
            continue
        except OpenLeashError as error:
            # Without an answer there is no yes, and the next step would fare no better.
            told.append(f"{action}: stopped: {error}")
            break
        if decision.allowed:
            told.append(f"{action}: {act(action, context, decision.proof_token)}")
        else:
            told.append(f"{action}: not allowed: {decision.reason}")
    return told


if __name__ == "__main__":
    plan = [("purchase.order", {"amount": amount, "currency": "USD"}) for amount in (45, 250, 600)]
    print("What needs its owner waits for `openleash approval approve ID`; `openleash approval list` shows it.", file=sys.stderr)
    for line in run(Client.from_env(), plan, lambda action, context, proof: f"done, with proof {proof}"):
        print(line)
