"""Promise 32: no credential appears in a signature or help text."""
import inspect
import os
import subprocess
import sys
import unittest

import openleash

CANARY = "canary-3f1c"


class Secrets(unittest.TestCase):
    def test_promise32_help_shows_no_environment(self) -> None:
        # A default argument is evaluated at import, so the canary must be there before it.
        show = "import openleash, pydoc; [print(pydoc.render_doc(getattr(openleash, n))) for n in openleash.__all__]"
        out = subprocess.run([sys.executable, "-c", show], env={**os.environ, "OPENLEASH_CANARY": CANARY},
                             capture_output=True, text=True, check=True).stdout
        self.assertIn("from_env", out)
        self.assertNotIn(CANARY, out)

    def test_promise32_no_signature_holds_the_environment(self) -> None:
        for name in openleash.__all__:
            for _, member in inspect.getmembers(getattr(openleash, name), callable):
                try:
                    parameters = inspect.signature(member).parameters.values()
                except (TypeError, ValueError):
                    continue
                for p in parameters:
                    self.assertIsNot(p.default, os.environ, f"{name}: {member}")


if __name__ == "__main__":
    unittest.main()
