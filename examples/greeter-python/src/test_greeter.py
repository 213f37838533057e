import unittest

import orch_plugin
import plugin_pb2 as pb
from greeter import configure, greet, greet_all, plugin


def attempt(**start):
    return orch_plugin.Attempt(pb.Start(**start))


class Greeter(unittest.TestCase):
    def test_greets_with_the_configured_word(self):
        configure({"greeting": "Moin"})
        self.addCleanup(configure, {})
        self.assertEqual(greet(attempt(), {"name": "Ada"}), {"message": "Moin, Ada!"})

    def test_nobody_to_greet_is_final(self):
        with self.assertRaises(orch_plugin.Failure) as raised:
            greet(attempt(), {"name": ""})
        self.assertTrue(raised.exception.non_retryable)

    def test_goes_on_after_the_last_heartbeat(self):
        before = attempt(last_heartbeat=[orch_plugin.payload({"messages": ["Good day, Ada!"]})])
        self.assertEqual(greet_all(before, {"names": ["Ada", "Bob"]}), {"messages": ["Good day, Ada!", "Hello, Bob!"]})

    def test_a_cancelled_attempt_stops(self):
        a = attempt()
        a.cancelled.set()
        with self.assertRaises(orch_plugin.Cancelled):
            greet_all(a, {"names": ["Ada", "Bob"], "pause": 600})

    def test_problems_name_the_path(self):
        schema = plugin.activities["greet_all_in_python"][1]
        self.assertIsNone(orch_plugin.problem(schema, {"names": ["Ada"], "unknown": 1}))
        self.assertEqual(orch_plugin.problem(schema, {})[0], "names")
        self.assertEqual(orch_plugin.problem(schema, {"names": ["Ada", 7]})[0], "names[1]")
        self.assertEqual(orch_plugin.problem(plugin.config_schema, {"greetin": "x"}), ("greetin", "unknown key"))


if __name__ == "__main__":
    unittest.main()
