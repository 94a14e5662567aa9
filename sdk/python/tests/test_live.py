"""The walk-through against a real server.

Wants OPENLEASH_TEST_URL, the agent's OPENLEASH_AGENT_ID and OPENLEASH_AGENT_PRIVATE_KEY_B64, the spending
policy of the walk-through in force, and OPENLEASH_TEST_OWNER_TOKEN, a session token of the owner. With
OPENLEASH_TEST_INVITE_URL, it redeems that invite too.
"""

import os
import threading
import unittest
import uuid
from datetime import datetime, timezone
from urllib.request import Request, urlopen

from openleash import (
    Client,
    Expect,
    InvalidKeyError,
    RequestError,
    Verifier,
    VerifyError,
    generate_key_pair,
    redeem_invite,
)

URL = os.environ.get("OPENLEASH_TEST_URL", "")
SHOP = {"domain": "shop.example", "trust_profile": "LOW"}


def order(amount):
    return {"amount": amount, "currency": "USD"}


@unittest.skipUnless(URL, "OPENLEASH_TEST_URL is not set: no live server")
class Live(unittest.TestCase):
    def setUp(self):
        self.client = Client.from_env({**os.environ, "OPENLEASH_URL": URL})

    def test_allow_and_verify(self):
        decision = self.client.authorize("purchase.order", order(45), relying_party=SHOP)
        self.assertTrue(decision, decision)
        verifier, expect = Verifier(URL), Expect(action_hash=decision.action_hash, audience="shop.example")
        for verify in (verifier.verify, verifier.verify_online):
            self.assertEqual(verify(decision.proof_token, expect)["decision_id"], decision.id)
            with self.assertRaises(VerifyError) as caught:
                verify(decision.proof_token, Expect(audience="other.example"))
            self.assertEqual(caught.exception.reason, "AUDIENCE_MISMATCH")

    def test_deny(self):
        decision = self.client.authorize("purchase.order", order(600))
        self.assertEqual((decision.result, decision.proof_token), ("DENY", None))

    def test_the_same_action_is_decided_once(self):
        id, at = f"act-{uuid.uuid4()}", datetime.now(timezone.utc)
        first, again = (self.client.authorize("purchase.order", order(45), id=id, requested_at=at) for _ in range(2))
        self.assertEqual(again.id, first.id)
        with self.assertRaises(RequestError) as caught:
            self.client.authorize("purchase.order", order(46), id=id)
        self.assertEqual(caught.exception.status, 409)

    def test_approval(self):
        token = os.environ.get("OPENLEASH_TEST_OWNER_TOKEN")
        if not token:
            self.skipTest("OPENLEASH_TEST_OWNER_TOKEN is not set: nobody to approve")
        decision = self.client.authorize("purchase.order", order(250))
        self.assertEqual(decision.result, "REQUIRE_APPROVAL")
        request = self.client.request_approval(decision, "for the trip")
        self.assertEqual(self.client.request_approval(decision).id, request.id)
        approve = Request(f"{URL}/v1/owner/approval-requests/{request.id}/approve", data=b"{}", method="POST", headers={
            "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        owner = threading.Thread(target=lambda: urlopen(approve).close())
        owner.start()
        approved = self.client.wait_for_approval(request.id, timeout=30)
        owner.join()
        redeemed = self.client.redeem(decision, approved.token)
        self.assertTrue(redeemed, redeemed)
        self.assertEqual(Verifier(URL).verify(redeemed.proof_token)["action_hash"], decision.action_hash)
        self.assertTrue(self.client.redeem(decision, approved.token), "the same action is answered as before")

    def test_drafts_and_self(self):
        agent = self.client.self()
        self.assertEqual(agent["agent_id"], os.environ["OPENLEASH_AGENT_ID"])
        draft = self.client.create_policy_draft("rules:\n  - action: mail.send\n    effect: require_approval\n", justification="to write mails")
        self.assertEqual(self.client.policy_draft(draft["policy_draft_id"])["status"], "PENDING")
        self.assertIn(draft["policy_draft_id"], [d["policy_draft_id"] for d in self.client.policy_drafts()])

    def test_another_key(self):
        stranger = Client(URL, os.environ["OPENLEASH_AGENT_ID"], generate_key_pair().private_key_b64)
        with self.assertRaises(InvalidKeyError) as caught:
            stranger.authorize("purchase.order", order(45))
        self.assertEqual(caught.exception.code, "INVALID_SIGNATURE")

    def test_invite(self):
        invite = os.environ.get("OPENLEASH_TEST_INVITE_URL")
        if not invite:
            self.skipTest("OPENLEASH_TEST_INVITE_URL is not set: nothing to redeem")
        registration = redeem_invite(invite, f"live-{uuid.uuid4()}", generate_key_pair())
        self.assertEqual(registration.client().self()["status"], "ACTIVE")


if __name__ == "__main__":
    unittest.main()
