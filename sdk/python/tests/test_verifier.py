import base64
import json
import unittest
from datetime import datetime, timedelta, timezone

from openleash import Expect, RequestError, ResponseError, ServerError, Verifier, VerifyError

from .fake import Answer, FakeCase
from .test_vectors import VECTORS

KEYS = json.dumps(VECTORS["public_keys"])
NOON = datetime(2026, 4, 10, 12, 0, 30, tzinfo=timezone.utc)


def token(name):
    return next(v["token"] for v in VECTORS["tokens"] if v["name"] == name)


class Verifying(FakeCase):
    def refuses(self, reason, verify, *args):
        with self.assertRaises(VerifyError) as caught:
            verify(*args)
        self.assertEqual(caught.exception.reason, reason)

    def test_keys_are_kept_and_no_longer_than_an_hour(self):
        fake, now = self.fake(Answer(200, KEYS), Answer(503, "x")), [NOON]
        verifier = Verifier(fake.url, attempts=1, now=lambda: now[0])
        self.assertEqual(verifier.verify(token("a proof"), Expect(audience="shop.example", allow_replay=True))["agent_id"], "shopper")
        # The token has expired by then; what matters is who says no, and after how many requests.
        for seconds, requests, error in ((240, 1, VerifyError), (120, 2, VerifyError), (1, 2, VerifyError), (10, 3, VerifyError),
                                         (3240, 4, ServerError)):
            now[0] += timedelta(seconds=seconds)
            self.assertRaises(error, verifier.verify, token("a proof"))
            self.assertEqual(len(fake.asked), requests, f"{seconds} s later")

    def test_new_keys_are_learnt_and_a_flood_is_none(self):
        fake, now = self.fake(Answer(200, '{"keys":[]}'), Answer(200, KEYS)), [NOON]
        verifier = Verifier(fake.url, now=lambda: now[0])
        for _ in range(5):
            self.refuses("UNKNOWN_KEY", verifier.verify, token("a proof"))
        self.assertEqual(len(fake.asked), 1)
        now[0] += timedelta(seconds=11)
        self.assertEqual(verifier.verify(token("a proof"), Expect(allow_replay=True))["agent_id"], "shopper")

    def test_offline(self):
        verifier = Verifier(keys=VECTORS["public_keys"]["keys"], now=lambda: NOON)
        self.assertEqual(verifier.verify(token("a proof"), Expect(audience="shop.example", allow_replay=True))["aud"], "shop.example")
        self.refuses("WRONG_PURPOSE", verifier.verify, token("a session"))
        self.assertRaises(RequestError, verifier.verify_online, "x")
        self.assertRaises(RequestError, Verifier)

    def test_online(self):
        part = token("a proof").split(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))[:-64])
        valid = json.dumps({"valid": True, "claims": claims})

        def verify(body, expect=Expect()):
            return Verifier(self.fake(Answer(200, body)).url).verify_online("v4.public.x", expect)

        self.assertEqual(verify(valid, Expect(currency="USD"))["agent_id"], "shopper")
        self.refuses("EXPIRED", verify, '{"valid":false,"reason":"EXPIRED"}')
        self.refuses("AMOUNT_MISMATCH", verify, valid, Expect(amount_minor=4501))
        self.refuses("CURRENCY_MISMATCH", verify, valid, Expect(currency="EUR"))
        for body in ('{"valid":true}', '{"valid":"true"}', '{"valid":1}', '{"valid":true,"claims":{"purpose":"user_session"}}', "{}"):
            self.assertRaises(ResponseError, verify, body)

    def test_promise28_redeeming(self):
        part = token("a proof").split(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))[:-64])
        at = "2026-04-10T12:00:31.000Z"

        def redeem(answer, status=200):
            fake = self.fake(Answer(status, json.dumps(answer)))
            try:
                return Verifier(fake.url).redeem_proof("v4.public.x", "shop.example", amount_minor=4000)
            finally:
                self.assertEqual(len(fake.asked), 1)  # never sent twice

        valid = {"valid": True, "claims": claims, "redeemed_at": at}
        self.assertEqual(redeem(valid)["agent_id"], "shopper")
        with self.assertRaisesRegex(VerifyError, at) as caught:
            redeem({"valid": False, "reason": "ALREADY_REDEEMED", "redeemed_at": at})
        self.assertEqual(caught.exception.code, "ALREADY_REDEEMED")
        for broken in ({"valid": True}, {**valid, "valid": "true"}, {**valid, "claims": {**claims, "aud": "other.example"}}, {}):
            self.assertRaises(ResponseError, redeem, broken)
        self.assertRaises(ServerError, redeem, {}, 503)
        self.assertRaises(RequestError, Verifier(keys=[]).redeem_proof, "x", "shop.example")

    def test_what_is_no_key_set(self):
        twice = json.dumps({"keys": VECTORS["public_keys"]["keys"] * 2})
        for body in ("{}", '{"keys":{}}', '{"keys":[1]}', '{"error":{"code":"X"}}', twice):
            self.assertRaises(ResponseError, Verifier(self.fake(Answer(200, body)).url).verify, token("a proof"))


if __name__ == "__main__":
    unittest.main()
