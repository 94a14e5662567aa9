import base64
import json
import unittest

from openleash import Client, RequestError, ResponseError, ServerError, generate_key_pair, redeem_invite, register
from openleash.keys import public_key

from .fake import Answer, FakeCase

PATH = "/v1/agents/register-with-invite"


def registered(status="ACTIVE"):
    return Answer(200, json.dumps({
        "agent_principal_id": "agt_1", "agent_id": "shopper", "owner_type": "HUMAN", "owner_id": "usr_1", "status": status,
        "openleash_url": "https://leash.example"}))


class Registering(FakeCase):
    def test_redeem_an_invite(self):
        fake, pair = self.fake(registered()), generate_key_pair()
        r = redeem_invite(f"{fake.url}{PATH}?invite_id=inv_1&invite_token=s%2Fcret\n", "shopper", pair)
        self.assertEqual(r.status, "ACTIVE")
        self.assertIsInstance(r.client(), Client)
        Client.from_env(dict(line.split("=", 1) for line in r.env().splitlines()))
        self.assertEqual((fake.asked[0].path, fake.asked[0].query), (PATH, ""))
        self.assertEqual(json.loads(fake.asked[0].body), {
            "invite_id": "inv_1", "invite_token": "s/cret", "agent_id": "shopper", "agent_pubkey_b64": pair.public_key_b64})

    def test_an_invite_is_redeemed_once_and_must_be_one(self):
        fake, pair = self.fake(Answer(503, "x")), generate_key_pair()
        self.assertRaises(ServerError, redeem_invite, f"{fake.url}{PATH}?invite_id=i&invite_token=t", "shopper", pair)
        self.assertEqual(len(fake.asked), 1)
        for bad in ("", "::", "http://[", fake.url, fake.url + PATH, fake.url + "/gui/setup?invite_id=i&invite_token=t"):
            self.assertRaises(RequestError, redeem_invite, bad, "shopper", pair)

    def test_register_by_challenge(self):
        challenge = json.dumps({"challenge_id": "chl_1", "challenge_b64": base64.b64encode(b"sign me").decode()})
        fake, pair = self.fake(Answer(200, challenge), registered("PENDING")), generate_key_pair()
        self.assertEqual(register(fake.url, "shopper", "HUMAN", "usr_1", pair).status, "PENDING")
        sent = json.loads(fake.asked[1].body)
        public_key(sent["agent_pubkey_b64"]).verify(base64.b64decode(sent["signature_b64"]), b"sign me")
        self.assertEqual((sent["challenge_id"], sent["owner_id"]), ("chl_1", "usr_1"))

    def test_another_agent_than_was_asked(self):
        fake = self.fake(registered())
        with self.assertRaises(ResponseError):
            redeem_invite(f"{fake.url}{PATH}?invite_id=i&invite_token=t", "other", generate_key_pair())


if __name__ == "__main__":
    unittest.main()
