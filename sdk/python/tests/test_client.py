import json
import math
import unittest
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from openleash import (
    ApprovalError,
    Client,
    ClockSkewError,
    InvalidKeyError,
    NotAllowedError,
    RequestError,
    ResponseError,
    ServerError,
    ServerTimeoutError,
    UnreachableError,
    generate_key_pair,
    parse_key_pair,
)

from .fake import Answer, FakeCase, order


def date(minutes):
    return {"Date": format_datetime(datetime.now(timezone.utc) + timedelta(minutes=minutes), usegmt=True)}


def error(code, message=""):
    return json.dumps({"error": {"code": code, "message": message}})


def approval(status, **more):
    return Answer(body=json.dumps({"approval_request_id": "apr_1", "status": status, "expires_at": "2026-04-11T12:00:00.000Z", **more}))


class Authorize(FakeCase):
    def test_builds_the_whole_request(self):
        fake = self.fake(Answer())
        decision = self.client(fake).authorize("purchase.order", {"decide": "ALLOW"}, relying_party={"domain": "shop.example"})
        self.assertTrue(decision.allowed and decision and decision.require() is decision)
        self.assertEqual(decision.budgets[0]["remaining"], 60)
        asked = fake.asked[0]
        self.assertEqual((asked.method, asked.path, asked.signed), ("POST", "/v1/authorize", True))
        sent = json.loads(asked.body)
        self.assertEqual(sent.pop("action_id"), decision.action_id)
        self.assertRegex(sent.pop("requested_at"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(sent, {
            "action_type": "purchase.order", "principal": {"agent_id": "shopper"}, "subject": {"principal_id": "usr_1"},
            "relying_party": {"domain": "shop.example"}, "payload": {"decide": "ALLOW"}})

    def test_only_allow_is_a_yes(self):
        client = self.client(self.fake(Answer()))
        for result in ("DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT"):
            decision = client.authorize("purchase.order", order(result))
            self.assertFalse(decision)
            self.assertFalse(decision.allowed)
            self.assertEqual(decision.needs_approval, result != "DENY")
            self.assertRaises(NotAllowedError, decision.require)
        for result in ("", "allow", "ALLOWED", "YES", "ALLOW ", True, 1, None):
            with self.assertRaises(ResponseError, msg=repr(result)):
                client.authorize("purchase.order", order(result))

    def test_guard_acts_on_allow_alone(self):
        client, acted = self.client(self.fake(Answer())), []
        self.assertEqual(client.guard("purchase.order", order("ALLOW"), lambda d: "done"), "done")
        for result in ("DENY", "REQUIRE_APPROVAL"):
            self.assertRaises(NotAllowedError, client.guard, "purchase.order", order(result), acted.append)
        self.assertRaises(ResponseError, client.guard, "purchase.order", order("?"), acted.append)
        self.assertEqual(acted, [])

    def test_failures(self):
        other = json.dumps({"decision_id": "dec_1", "result": "ALLOW", "action_hash": "0" * 64})
        for name, answer, kind, says, code, tries in (
            ("5xx with JSON", Answer(503, error("UNAVAILABLE", "the log cannot be written")), ServerError, "the log cannot", "UNAVAILABLE", 3),
            ("5xx with a page", Answer(502, "<html>Bad Gateway"), ServerError, "502", "", 3),
            ("429", Answer(429, error("RATE_LIMITED", "slow down"), {"Retry-After": "0"}), RequestError, "slow down", "RATE_LIMITED", 3),
            ("not JSON", Answer(200, "<html>log in"), ResponseError, "not that of an OpenLeash server", "", 1),
            ("half a JSON", Answer(200, '{"decision_id":'), ResponseError, "not that of", "", 1),
            ("another JSON", Answer(200, '{"hello":"world"}'), ResponseError, "not that of", "", 1),
            ("a list", Answer(200, "[]"), ResponseError, "not that of", "", 1),
            ("null", Answer(200, "null"), ResponseError, "not that of", "", 1),
            ("deep", Answer(200, "[" * 100_000), ResponseError, "not that of", "", 1),
            ("a huge answer", Answer(200, '{"x":"' + "x" * (1 << 20) + '"}'), ResponseError, "1 MiB", "", 1),
            ("an answer to another action", Answer(200, other), ResponseError, "another action", "", 1),
            ("a redirect", Answer(302, "x", {"Location": "https://sso.example/"}), ResponseError, "https://sso.example/", "", 1),
            ("a clock that is behind", Answer(401, error("TIMESTAMP_SKEW"), date(10)), ClockSkewError, "s behind the server's", "TIMESTAMP_SKEW", 1),
            ("a clock that is ahead", Answer(401, error("TIMESTAMP_SKEW"), date(-10)), ClockSkewError, "s ahead of the server's", "TIMESTAMP_SKEW", 1),
            ("a key that is not taken", Answer(401, error("INVALID_SIGNATURE", "no")), InvalidKeyError, "belongs to the agent id", "INVALID_SIGNATURE", 1),
            ("no policy", Answer(403, error("NO_POLICY", "no policy applies")), RequestError, "no policy applies", "NO_POLICY", 1),
        ):
            with self.subTest(name):
                fake = self.fake(answer)
                with self.assertRaises(kind) as caught:
                    self.client(fake).authorize("purchase.order", order("ALLOW"))
                self.assertIn(says, str(caught.exception))
                self.assertEqual((caught.exception.code, len(fake.asked)), (code, tries))
                self.assertEqual(len({a.nonce for a in fake.asked}), tries, "a nonce was used twice")
                self.assertTrue(all(a.signed and a.body == fake.asked[0].body for a in fake.asked), "asked again otherwise")

    def test_server_comes_back(self):
        fake = self.fake(Answer(500, "x"), Answer(503, "x"), Answer())
        self.assertTrue(self.client(fake).authorize("purchase.order", order("ALLOW")))
        self.assertEqual(len(fake.asked), 3)

    def test_server_is_away(self):
        fake = self.fake(Answer())
        fake.server.shutdown()
        fake.server.server_close()
        with self.assertRaisesRegex(UnreachableError, "openleash start"):
            self.client(fake).authorize("purchase.order", order("ALLOW"))

    def test_server_is_slow(self):
        fake = self.fake(Answer(hang=True))
        with self.assertRaisesRegex(ServerTimeoutError, "nothing may be taken as allowed"):
            self.client(fake, timeout=0.05, attempts=2).authorize("purchase.order", order("ALLOW"))
        self.assertEqual(len(fake.asked), 2)

    def test_actions_that_cannot_be_sent(self):
        fake = self.fake(Answer())
        client, circle = self.client(fake), {}
        circle["self"] = circle
        for context in ({"n": 2**53}, {"n": math.nan}, {"n": [math.inf]}, {"s": "\ud800"}, {"b": b"x"}, {1: 2}, circle, [1], "x"):
            with self.assertRaises(RequestError):
                client.authorize("a", context)
        for action in ("", "a.*", "a..b", "a b", "a\n", None):
            with self.assertRaises(RequestError):
                client.authorize(action)
        self.assertEqual(fake.asked, [])

    def test_configurations_that_cannot_work(self):
        pair = generate_key_pair()
        for url in ("", "localhost:8787", "ftp://localhost", "http://[", "http://a:port"):
            with self.assertRaisesRegex(RequestError, "OPENLEASH_URL"):
                Client(url, "a", pair.private_key_b64)
        with self.assertRaisesRegex(RequestError, "OPENLEASH_AGENT_ID"):
            Client("http://127.0.0.1:1", "", pair.private_key_b64)
        with self.assertRaisesRegex(InvalidKeyError, "OPENLEASH_AGENT_PRIVATE_KEY_B64"):
            Client("http://127.0.0.1:1", "a", "")
        with self.assertRaisesRegex(InvalidKeyError, "this is a public key"):
            Client("http://127.0.0.1:1", "a", pair.public_key_b64)
        self.assertEqual(parse_key_pair(pair.private_key_b64 + "\n"), pair)
        self.assertNotIn(pair.private_key_b64, repr(pair))
        self.assertRaises(RequestError, Client.from_env, {})
        Client.from_env({"OPENLEASH_URL": "http://127.0.0.1:1", "OPENLEASH_AGENT_ID": "a", "OPENLEASH_AGENT_PRIVATE_KEY_B64": pair.private_key_b64})


class Approvals(FakeCase):
    def test_authorize_and_wait(self):
        fake = self.fake(Answer(), approval("PENDING"), approval("APPROVED", approval_token="v4.public.x"), Answer())
        decision = self.client(fake).authorize_and_wait("purchase.order", order("REQUIRE_APPROVAL"), justification="for the trip")
        self.assertTrue(decision)
        first, request, poll, redeem = fake.asked
        action = json.loads(first.body)
        self.assertEqual(json.loads(request.body), {"decision_id": "dec_1", "action": action, "justification": "for the trip"})
        self.assertEqual((poll.query, poll.signed), ("wait=30s", True))
        self.assertEqual(json.loads(redeem.body), {**action, "approval_token": "v4.public.x"})

    def test_what_is_decided_needs_no_approval(self):
        fake = self.fake(Answer())
        self.assertTrue(self.client(fake).authorize_and_wait("purchase.order", order("ALLOW")))
        self.assertFalse(self.client(fake).authorize_and_wait("purchase.order", order("DENY")))
        self.assertEqual(len(fake.asked), 2)

    def test_approvals_that_are_no_yes(self):
        for answer, says in (
            (approval("DENIED", deny_reason="too much"), "too much"), (approval("EXPIRED"), "EXPIRED"), (approval("CONSUMED"), "CONSUMED"),
            (approval("MAYBE"), "MAYBE"), (approval("APPROVED"), "APPROVED"),
        ):
            with self.assertRaisesRegex(ApprovalError, says):
                self.client(self.fake(answer)).wait_for_approval("apr_1")
        with self.assertRaisesRegex(ApprovalError, "again later"):
            self.client(self.fake(approval("PENDING"))).wait_for_approval("apr_1", timeout=0)

    def test_redeemed_token_whose_answer_was_lost(self):
        fake = self.fake(Answer(), Answer(502, "x"), Answer(400, error("APPROVAL_TOKEN_CONSUMED", "used")), Answer())
        client = self.client(fake)
        decision = client.authorize("purchase.order", order("ALLOW"))
        self.assertTrue(client.redeem(decision, "v4.public.x"))
        self.assertEqual(len(fake.asked), 4)
        self.assertEqual(fake.asked[3].body, fake.asked[0].body)


class TheRest(FakeCase):
    def test_settle(self):
        fake = self.fake(Answer(503, "x"), Answer(200, '{"decision_id":"dec_1","settled":"commit","budgets":[{"id":"daily","remaining":70}]}'))
        client = self.client(fake)
        self.assertEqual(client.commit("dec_1", 3000)["budgets"][0]["remaining"], 70)
        client.release("dec_1")
        client.refund("dec/1", 0)
        self.assertEqual([(a.path, a.body, a.signed) for a in fake.asked], [
            ("/v1/agent/decisions/dec_1/commit", '{"amount_minor":3000}', True),
            ("/v1/agent/decisions/dec_1/commit", '{"amount_minor":3000}', True),
            ("/v1/agent/decisions/dec_1/release", "{}", True),
            ("/v1/agent/decisions/dec%2F1/refund", '{"amount_minor":0}', True)])

    def test_policy_drafts_are_sent_once(self):
        draft = '{"policy_draft_id":"drf_1","status":"PENDING","policy_yaml":"rules: []"}'
        fake = self.fake(Answer(200, draft), Answer(200, draft), Answer(200, '{"policy_drafts":[' + draft + "]}"), Answer(503, "x"))
        client = self.client(fake)
        self.assertEqual(client.create_policy_draft("rules: []", justification="I need it")["policy_draft_id"], "drf_1")
        self.assertEqual(client.policy_draft("drf_1")["policy_yaml"], "rules: []")
        self.assertEqual(len(client.policy_drafts()), 1)
        self.assertRaises(ServerError, client.create_policy_draft, "rules: []")
        self.assertEqual(len(fake.asked), 4)

    def test_self(self):
        fake = self.fake(Answer(200, '{"agent_principal_id":"agt_1","agent_id":"shopper"}'))
        self.assertEqual(self.client(fake).self()["agent_principal_id"], "agt_1")


if __name__ == "__main__":
    unittest.main()
