import signal
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
        self.assertEqual({e.WhichOneof("event") for e in events}, {"progress", "log", "failure"})
        self.assertEqual((events[-1].failure.type, events[-1].failure.non_retryable), ("Lost", True))
        self.assertIn("cannot read report-", events[-1].failure.message)

    def test_a_result_that_is_no_json_is_final(self):
        for value in (float("nan"), {1, 2}):
            failure = run(lambda attempt, _: {"value": value})[-1].failure
            self.assertEqual((failure.type, failure.non_retryable), ("InvalidOutput", True))


class Reports(unittest.TestCase):
    def test_an_attempt_that_keeps_reporting_shows_life_all_the_same(self):
        def work(attempt, value):
            for i in range(20):
                attempt.progress("step", i, 20)
                attempt.log("info", "step")
                time.sleep(0.05)

        events = run(work, info=pb.Info(heartbeat_timeout=Duration(nanos=600_000_000)))  # a beat every 0.2 s
        beats = sum(e.WhichOneof("event") == "heartbeat" for e in events)
        self.assertGreaterEqual(beats, 2)

    def test_what_was_stored_before_a_failure_reaches_the_next_attempt(self):
        def work(attempt, value):
            attempt.heartbeat({"at": 1})
            attempt.heartbeat({"at": 2})
            raise ValueError("lost the connection")

        for _ in range(20):
            events = run(work)
            stored = [orch_plugin.value_of(d) for e in events for d in e.heartbeat.details]
            self.assertEqual(stored[-1:], [{"at": 2}])
            self.assertEqual(events[-1].failure.type, "ValueError")

    def test_reports_never_pile_up(self):
        attempt = orch_plugin.Attempt(pb.Start())
        for i in range(1000):
            attempt.heartbeat({"at": i})
            attempt.progress("step", i, 1000)
            attempt.log("info", "step %d" % i)
        attempt._report(verdict=orch_plugin.failed("Late", "late"))
        attempt.log("info", "too late")
        events, verdict = attempt._take(None)
        self.assertEqual(verdict.failure.type, "Late")
        self.assertEqual(len(events), orch_plugin.MAX_LOGS + 2)
        self.assertEqual(sum(e.log.dropped for e in events), 1000 - orch_plugin.MAX_LOGS)


class Inputs(unittest.TestCase):
    def tried(self, schema, *arguments):
        plugin = orch_plugin.Plugin("trial", "1.0.0")
        plugin.activity("try", schema, {})(lambda attempt, value: value)
        start = pb.Start(activity="try", input=[orch_plugin.payload(a) for a in arguments])
        return orch_plugin._Process(plugin).verdict(orch_plugin.Attempt(start))

    def test_arguments_that_nobody_would_see_are_refused(self):
        failure = self.tried({"type": "object"}, {}, "second").failure
        self.assertEqual((failure.type, failure.non_retryable), ("InvalidInput", True))
        self.assertIn("got 2 arguments, want one", failure.message)

    def test_an_input_of_the_wrong_type_is_called_the_input(self):
        self.assertIn("the input is \"Ada\", want object", self.tried({"type": "object"}, "Ada").failure.message)

    def test_a_field_may_have_one_of_several_types(self):
        schema = {"type": "object", "properties": {"name": {"type": ["string", "null"]}}}
        self.assertEqual(self.tried(schema, {"name": None}).WhichOneof("event"), "result")
        self.assertIn("input field 'name' is 7, want string or null", self.tried(schema, {"name": 7}).failure.message)


class Ends(unittest.TestCase):
    def test_the_plugin_is_closed_when_cut_attempts_have_returned(self):
        order, begun, cuts = [], threading.Event(), []

        def work(attempt, value):
            begun.set()
            try:
                attempt.sleep(60)
            finally:
                time.sleep(0.1)  # as long as cleaning up takes
                order.append("returned")

        plugin = orch_plugin.Plugin("trial", "1.0.0", close=lambda: order.append("closed"))
        plugin.activity("try", {}, {})(work)
        process = orch_plugin._Process(plugin)
        context = Context()
        context.add_callback = lambda callback: cuts.append(callback) or True
        call = process.attempt(pb.Start(activity="try"), iter([]), context)
        threading.Thread(target=lambda: list(call), daemon=True).start()
        self.assertTrue(begun.wait(10))
        for cut in cuts:  # as gRPC does when the server stops
            cut()
        process.close()
        self.assertEqual(order, ["returned", "closed"])

    def test_a_signal_ends_it_whichever_thread_the_kernel_hands_it_to(self):
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        self.addCleanup(signal.set_wakeup_fd, -1)
        process = orch_plugin._Process(orch_plugin.Plugin("trial", "1.0.0"))
        process.end_on_signal()
        other = threading.Thread(target=time.sleep, args=(10,), daemon=True)
        other.start()
        threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGTERM)).start()
        self.assertTrue(process.finished.wait(5), "the main thread was not woken")


if __name__ == "__main__":
    unittest.main()
