import sys
import threading
import time
import unittest

import orch_plugin
import plugin_pb2 as pb
from google.protobuf.duration_pb2 import Duration


class Context:
    """A gRPC context that nobody cuts."""

    def add_callback(self, callback):
        return True


def run(function, **start):
    """The events of one attempt; an attempt without an end fails the test."""
    plugin = orch_plugin.Plugin("trial", "1.0.0")
    plugin.activity("try", {}, {})(function)
    events = []

    def read():
        call = orch_plugin._Process(plugin).attempt(pb.Start(activity="try", **start), iter([]), Context())
        for event in call:
            events.append(event)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    if reader.is_alive():
        raise AssertionError("no verdict came, only %d other events" % len(events))
    return events


class Verdicts(unittest.TestCase):
    def test_a_library_that_exits_fails_its_attempt_alone(self):
        failure = run(lambda attempt, value: sys.exit("cannot go on"))[-1].failure
        self.assertEqual(failure.type, "SystemExit")
        self.assertIn("cannot go on", failure.message)
        self.assertFalse(failure.non_retryable)

    def test_bytes_that_are_no_text_do_not_cost_the_verdict(self):
        name = b"report-\xff.pdf".decode("utf-8", "surrogateescape")  # as os.listdir gives it

        def work(attempt, value):
            attempt.progress("reading " + name)
            attempt.log("info", "reading", name=name)
            raise orch_plugin.Failure("Lost", "cannot read " + name, non_retryable=True)

        events = run(work)
        self.assertEqual([e.WhichOneof("event") for e in events], ["progress", "log", "failure"])
        self.assertEqual((events[-1].failure.type, events[-1].failure.non_retryable), ("Lost", True))
        self.assertIn("cannot read report-", events[-1].failure.message)

    def test_a_result_that_is_no_json_is_final(self):
        for value in (float("nan"), {1, 2}):
            failure = run(lambda attempt, _: {"value": value})[-1].failure
            self.assertEqual((failure.type, failure.non_retryable), ("InvalidOutput", True))


if __name__ == "__main__":
    unittest.main()
