import unittest

import orch_plugin
import plugin_pb2 as pb
from hello import configure, hello


def attempt():
    return orch_plugin.Attempt(pb.Start())


class Hello(unittest.TestCase):
    def test_greets_with_the_configured_word(self):
        configure({"greeting": "Moin"})
        self.addCleanup(configure, {})
        self.assertEqual(hello(attempt(), {"name": "Ada"}), {"message": "Moin, Ada!"})

    def test_nobody_to_greet_is_final(self):
        with self.assertRaises(orch_plugin.Failure) as raised:
            hello(attempt(), {"name": ""})
        self.assertTrue(raised.exception.non_retryable)

    def test_a_cancelled_attempt_stops(self):
        a = attempt()
        a.cancelled.set()
        with self.assertRaises(orch_plugin.Cancelled):
            hello(a, {"name": "Ada", "delay": 3600})


if __name__ == "__main__":
    unittest.main()
