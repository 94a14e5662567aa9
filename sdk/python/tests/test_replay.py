"""Promise 28: a verifier refuses a proof that it has seen."""

import threading
import unittest
from datetime import datetime, timedelta, timezone
from unittest import mock

from openleash import Expect, ReplayCache, Verifier, VerifyError
from openleash.replay import MAX_REPLAYS

from .test_vectors import VECTORS
from .test_verifier import NOON, token


class Replays(unittest.TestCase):
    def verify(self, **expect):
        verifier = Verifier(keys=VECTORS["public_keys"]["keys"], now=lambda: NOON)
        try:
            verifier.verify(token("a proof"), Expect(**expect))
        except VerifyError as error:
            self.assertEqual(error.code, error.reason)
            return error.reason
        return ""

    @mock.patch("openleash.tokens._PROCESS", ReplayCache())
    def test_promise28_a_proof_is_accepted_once(self):
        own = ReplayCache()
        for expect, want in (
            ({"replays": own, "audience": "other.example"}, "AUDIENCE_MISMATCH"),  # and not remembered
            ({"replays": own, "allow_replay": True}, ""),
            ({"replays": own}, ""),
            ({"replays": own}, "ALREADY_REDEEMED"),
            ({"replays": own, "once_online": True}, "ALREADY_REDEEMED"),
            ({"replays": own, "allow_replay": True}, ""),
            ({"replays": ReplayCache()}, ""),
            ({}, ""),  # who names no cache has that of the process
            ({}, "ALREADY_REDEEMED"),
        ):
            with self.subTest(expect=expect):
                self.assertEqual(self.verify(**expect), want)

    def test_promise28_one_thread_of_many_wins(self):
        own, results = ReplayCache(), []
        threads = [threading.Thread(target=lambda: results.append(self.verify(replays=own))) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(results), [""] + ["ALREADY_REDEEMED"] * 15)

    def test_promise28_a_full_cache_refuses(self):
        cache, now = ReplayCache(), datetime(2026, 4, 10, tzinfo=timezone.utc)

        def record(jti, seconds):
            try:
                cache._record("key", str(jti), now + timedelta(hours=1), now + timedelta(seconds=seconds))
            except VerifyError as error:
                return error.reason
            return ""

        for i in range(10):
            cache._record("key", str(i), now + timedelta(minutes=1), now)
        for i in range(10, MAX_REPLAYS):
            record(i, 0)
        self.assertEqual(record("new", 59), "REPLAY_CACHE_FULL")
        self.assertEqual(record(5, 59), "ALREADY_REDEEMED")
        self.assertEqual(record("new", 60), "")
        self.assertEqual(record("new", 60), "ALREADY_REDEEMED")
        self.assertEqual(record(20, 60), "ALREADY_REDEEMED")


if __name__ == "__main__":
    unittest.main()
