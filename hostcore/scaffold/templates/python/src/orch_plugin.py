"""What a Python plugin needs to serve the Orch host: one file, to be copied.

It needs grpcio and protobuf (Debian: python3-grpcio python3-protobuf) and the
generated plugin_pb2.py beside it. See greeter.py for its use.

The life of a plugin process: the host starts it with "serve", reads its
manifest, hands over the configuration, sends activity attempts, and ends it by
Drain or SIGTERM. It also ends when the host is gone.
"""

import inspect
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from concurrent import futures

import grpc

import plugin_pb2 as pb

SDK = "python/0.1.0"
COOKIE = ("ORCH_PLUGIN", "a7a7ff220e81089d2aa12c20bccad60a36e11ad98088d4f0510f30f8d50a534e")
MAX_MESSAGE = 64 << 20
MAX_LOGS = 256


class Failure(Exception):
    """A failed attempt; type is what a workflow decides by."""

    def __init__(self, type, message, non_retryable=False):
        super().__init__(message)
        self.type, self.message, self.non_retryable = type, message, non_retryable


class Cancelled(Exception):
    """Raised by Attempt.sleep and Attempt.check when the attempt was cancelled."""


class Attempt:
    """One running attempt, as the activity sees it. Its methods never block:
    the latest heartbeat and progress win, logs wait in a bounded queue."""

    def __init__(self, start):
        self.start = start
        self.cancelled = threading.Event()
        self._changed = threading.Condition()
        self._details = self._progress = self._verdict = None
        self._logs, self._dropped = [], 0

    @property
    def last_heartbeat(self):
        """The details that the attempt before stored last, or None."""
        if not self.start.last_heartbeat:
            return None
        return value_of(self.start.last_heartbeat[0])

    def heartbeat(self, details):
        """Stores details for the next attempt; the latest win."""
        self._report(details=payload(details))

    def progress(self, message, done=0, total=0):
        """Tells people what the attempt is doing; the latest wins."""
        self._report(progress=pb.Progress(message=clean(message), done=done, total=total))

    def log(self, level, message, **fields):
        """Writes a record to the host's log; of more than a few hundred waiting ones it says how many were dropped."""
        self._report(log=pb.Log(level=level, message=clean(message), fields={k: clean(v) for k, v in fields.items()}))

    def check(self):
        """Raises Cancelled when the attempt was cancelled."""
        if self.cancelled.is_set():
            raise Cancelled()

    def sleep(self, seconds):
        """Sleeps, and raises Cancelled when the attempt is cancelled meanwhile."""
        if self.cancelled.wait(seconds):
            raise Cancelled()

    def _report(self, details=None, progress=None, log=None, verdict=None):
        with self._changed:
            if self._verdict is not None:
                return  # the activity has returned
            self._details, self._progress = details or self._details, progress or self._progress
            self._verdict = verdict
            if log is not None and len(self._logs) < MAX_LOGS:
                self._logs.append(log)
            elif log is not None:
                self._dropped += 1
            self._changed.notify_all()

    def _take(self, beat):
        """Waits for reports, or until the next sign of life is due at the time beat
        (None: never), and returns the events to send and the verdict, if any."""
        with self._changed:
            self._changed.wait_for(lambda: self._logs or self._progress or self._details or self._verdict,
                                   None if beat is None else max(0, beat - time.monotonic()))
            events = [pb.ExecuteEvent(log=log) for log in self._logs]
            if self._dropped:
                events[0].log.dropped = self._dropped
            if self._progress:
                events.append(pb.ExecuteEvent(progress=self._progress))
            if self._details or (beat is not None and time.monotonic() >= beat and not self._verdict):
                events.append(pb.ExecuteEvent(heartbeat=pb.Heartbeat(details=[self._details] if self._details else [])))
            self._details, self._progress, self._logs, self._dropped = None, None, [], 0
            return events, self._verdict


class Plugin:
    """A plugin: its name, its activities, its configuration."""

    def __init__(self, name, version, doc="", group=None, config_schema=None, configure=None, close=None):
        self.name, self.version, self.doc, self.group = name, version, doc, group or name
        self.config_schema, self.configure, self.close = config_schema, configure, close
        self.activities = {}
        self._specs = []

    def activity(self, name, input, output, idempotent=False, heartbeat=None):
        """Decorates function(attempt, input) as an activity; input and output are JSON Schemas."""

        def register(function):
            spec = pb.ActivitySpec(name=name, doc=inspect.getdoc(function) or "", idempotent=idempotent,
                                   input_schema=dump(input), output_schema=dump(output))
            if heartbeat:
                spec.heartbeat.FromSeconds(heartbeat)
            self.activities[name] = (function, input)
            self._specs.append(spec)
            return function

        return register

    def manifest(self):
        return pb.Manifest(group=self.group, name=self.name, version=self.version, doc=self.doc, sdk=SDK,
                           language="python%d.%d" % sys.version_info[:2],
                           capabilities=["drain", "reconfigure", "soft-cancel", "watch"],
                           config_schema=dump(self.config_schema) if self.config_schema else b"",
                           activities=self._specs)

    def main(self, argv=None):
        """The program: describe, version, attach for a debugger, or serve when the host asks."""
        argv = sys.argv if argv is None else argv
        command = argv[1] if len(argv) > 1 else ""
        if command == "describe":
            print(json.dumps(self._described(), indent=2))
        elif command == "version":
            print("%s %s (sdk %s, wire 1)" % (self.name, self.version, SDK))
        elif command == "attach":
            default = "unix:%s/orch-dev-%s.sock" % (tempfile.gettempdir(), self.name)
            sys.exit(_Process(self, argv[2] if len(argv) > 2 else default).run())
        elif command == "serve" and os.environ.get(COOKIE[0]) == COOKIE[1]:
            sys.exit(_Process(self).run())
        else:
            print("%s %s is an Orch plugin: copy it into the host's plugin folder, or try it with\n"
                  "  host plugin run %s ACTIVITY\n\nusage: %s describe | version | attach [ADDRESS]" %
                  (self.name, self.version, argv[0], argv[0]), file=sys.stderr)
            sys.exit(2)

    def _described(self):
        m = self.manifest()
        d = {"group": m.group, "name": m.name, "version": m.version, "doc": m.doc, "sdk": m.sdk,
             "language": m.language, "capabilities": list(m.capabilities), "activities": []}
        if m.config_schema:
            d["config"] = json.loads(m.config_schema)
        for a in m.activities:
            d["activities"].append({"name": a.name, "doc": a.doc, "idempotent": a.idempotent,
                                    "input": json.loads(a.input_schema), "output": json.loads(a.output_schema)})
        return d


def dump(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def clean(text):
    """Text as the wire takes it: what is no UTF-8, as in some file names, becomes "?"."""
    return str(text).encode("utf-8", "replace").decode()


def payload(value):
    if value is None:
        return pb.Payload(metadata={"encoding": b"binary/null"})
    return pb.Payload(metadata={"encoding": b"json/plain"}, data=dump(value))


def value_of(p):
    encoding = p.metadata.get("encoding", b"").decode()
    if encoding == "binary/null":
        return None
    if encoding not in ("json/plain", "json/protobuf"):
        raise Failure("InvalidInput", "a payload with encoding %r, want json/plain" % encoding, True)
    return json.loads(p.data)


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
         "null": type(None)}


def problem(schema, value, path=""):
    """What is wrong with a value, as (path, message), or None. It knows type,
    required, properties, items, enum, and additionalProperties: false."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[k]) and (k == "boolean" or not isinstance(value, bool)) for k in kinds):
        return path, "is %s, want %s" % (json.dumps(value)[:80], " or ".join(kinds))
    if "enum" in schema and value not in schema["enum"]:
        return path, "is %s, want one of %s" % (json.dumps(value)[:80], json.dumps(schema["enum"]))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                return join(path, name), "is missing"
        for name, inner in value.items():
            if name in properties:
                found = problem(properties[name], inner, join(path, name))
                if found:
                    return found
            elif schema.get("additionalProperties") is False:
                return join(path, name), "unknown key"
    if isinstance(value, list):
        for i, inner in enumerate(value):
            found = problem(schema.get("items", {}), inner, "%s[%d]" % (path, i))
            if found:
                return found
    return None


def join(path, name):
    return path + "." + name if path else name


class _Process:
    """A serving process: the five calls of the wire contract, and its end."""

    def __init__(self, plugin, attach=None):
        self.plugin = plugin
        self.address = attach  # where a developer runs it; None: the host runs it
        self.lock = threading.Condition()
        self.health = pb.Status.STARTING
        self.in_flight = 0
        self.working = 0  # activities that have not returned, also of streams that were cut
        self.draining = False
        self.finished = threading.Event()

    # The calls.

    def describe(self, request, context):
        return self.plugin.manifest()

    def set_configuration(self, request, context):
        try:
            table = json.loads(request.config or b"{}")
            found = problem(self.plugin.config_schema or {"type": "object", "additionalProperties": False}, table)
            if not found and self.plugin.configure:
                self.plugin.configure(table)
        except ValueError as e:
            found = "", str(e)
        if found:
            return pb.ConfigureResponse(problems=[pb.Problem(path=found[0], message=found[1])])
        self.set_health(pb.Status.READY)
        return pb.ConfigureResponse()

    def execute(self, requests, context):
        first = next(requests, None)
        if first is None or first.WhichOneof("msg") != "start":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message of Execute must be Start")
        start = first.start
        if start.activity not in self.plugin.activities:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "plugin %s has no activity %r" % (self.plugin.name, start.activity))
        with self.lock:
            refused = self.draining
            self.in_flight += not refused
        if refused:
            yield failed("PluginDraining", "plugin %s is being replaced" % self.plugin.name)
            return
        try:
            yield from self.attempt(start, requests, context)
        finally:
            with self.lock:
                self.in_flight -= 1
                self.lock.notify_all()

    def attempt(self, start, requests, context):
        attempt = Attempt(start)
        context.add_callback(attempt.cancelled.set)  # the stream ended: nobody listens any more

        def listen():
            try:
                for request in requests:
                    if request.WhichOneof("msg") == "cancel":
                        attempt.cancelled.set()
            except Exception:  # the stream broke, which the callback above has seen
                pass

        threading.Thread(target=listen, daemon=True).start()

        def work():
            attempt._report(verdict=self.verdict(attempt))
            with self.lock:
                self.working -= 1
                self.lock.notify_all()

        with self.lock:
            self.working += 1
        threading.Thread(target=work, daemon=True).start()
        timeout = start.info.heartbeat_timeout.ToMilliseconds() / 1000
        tick = min(1.0, timeout / 3) if timeout > 0 else None
        beat = tick and time.monotonic() + tick
        verdict = None
        while verdict is None:
            events, verdict = attempt._take(beat)
            if any(event.WhichOneof("event") == "heartbeat" for event in events):
                beat = tick and time.monotonic() + tick
            yield from events
        yield verdict

    def verdict(self, attempt):
        function, schema = self.plugin.activities[attempt.start.activity]
        try:
            if len(attempt.start.input) > 1:
                raise Failure("InvalidInput", "activity %s: got %d arguments, want one" % (
                    attempt.start.activity, len(attempt.start.input)), True)
            value = value_of(attempt.start.input[0]) if attempt.start.input else {}
            found = problem(schema, value)
            if found:
                where = "input field %r" % found[0] if found[0] else "the input"
                raise Failure("InvalidInput", "activity %s: %s %s" % (attempt.start.activity, where, found[1]), True)
            result = function(attempt, value)
        except Cancelled:
            return failed("Canceled", "the attempt was cancelled", canceled=True)
        except Failure as e:
            return failed(e.type, e.message, e.non_retryable)
        except BaseException as e:  # a library that calls sys.exit ends its attempt, which would wait for ever else
            return failed(type(e).__name__, str(e) or repr(e), stack=traceback.format_exc())
        try:
            return pb.ExecuteEvent(result=pb.Result(output=[payload(result)]))
        except (TypeError, ValueError) as e:
            return failed("InvalidOutput", "activity %s: its result cannot be written as JSON: %s" % (attempt.start.activity, e), True)

    def watch(self, request, context):
        context.add_callback(self.wake)
        sent = None
        while context.is_active():
            with self.lock:
                if self.health == sent:
                    self.lock.wait()
                    continue
                sent, running = self.health, self.in_flight
            yield pb.Status(health=sent, in_flight=running)

    def drain(self, request, context):
        if self.address:  # hosts come and go
            yield pb.DrainProgress(in_flight=self.in_flight)
            return
        self.start_draining()
        deadline = time.monotonic() + request.deadline.ToMilliseconds() / 1000
        while True:
            with self.lock:
                running = self.in_flight
            yield pb.DrainProgress(in_flight=running)
            left = deadline - time.monotonic()
            if running == 0 or left <= 0 or not context.is_active():
                break
            with self.lock:
                self.lock.wait_for(lambda: self.in_flight == 0, min(1.0, left))
        context.add_callback(self.finished.set)

    # Life and end.

    def set_health(self, health):
        with self.lock:
            if not self.draining:
                self.health = health
            self.lock.notify_all()

    def wake(self):
        with self.lock:
            self.lock.notify_all()

    def start_draining(self):
        self.set_health(pb.Status.DRAINING)
        with self.lock:
            self.draining = True

    def end_with_host(self, fd):
        while os.read(fd, 1):
            pass
        os._exit(0)  # whatever still runs: there is nobody to answer

    def end_on_signal(self):
        """Terminates on SIGTERM and SIGINT. Python runs handlers in the main thread
        only, which sleeps on when the kernel hands the signal to a thread of gRPC;
        so a thread of its own waits for the byte that any of them writes."""
        ends = (signal.SIGTERM, signal.SIGINT)
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        for number in ends:
            signal.signal(number, lambda *_: None)

        def wait():
            while os.read(woken, 1)[0] not in ends:
                pass
            self.terminate()

        threading.Thread(target=wait, daemon=True).start()

    def terminate(self):
        self.start_draining()
        with self.lock:
            self.lock.wait_for(lambda: self.in_flight == 0, 30)
        self.finished.set()

    def close(self):
        """Closes the plugin when attempts that were cut have returned: they have
        had their grace, so those that take longer than 2 s are not waited for."""
        with self.lock:
            self.lock.wait_for(lambda: self.working == 0, 2)
        if self.plugin.close:
            self.plugin.close()

    def handlers(self):
        def call(make, function, request):
            return make(function, request_deserializer=request.FromString,
                        response_serializer=lambda message: message.SerializeToString(deterministic=True))

        return grpc.method_handlers_generic_handler("orch.plugin.v1.Plugin", {
            "Describe": call(grpc.unary_unary_rpc_method_handler, self.describe, pb.DescribeRequest),
            "Configure": call(grpc.unary_unary_rpc_method_handler, self.set_configuration, pb.ConfigureRequest),
            "Execute": call(grpc.stream_stream_rpc_method_handler, self.execute, pb.ExecuteRequest),
            "Watch": call(grpc.unary_stream_rpc_method_handler, self.watch, pb.WatchRequest),
            "Drain": call(grpc.unary_stream_rpc_method_handler, self.drain, pb.DrainRequest),
        })

    def greet(self, address):
        """Watches the host and shakes hands with it: one line on the descriptor
        that it named, so that what the plugin prints stays out of it."""
        liveness = os.environ.get("ORCH_LIVENESS_FD")
        if liveness:
            os.set_inheritable(int(liveness), False)
            threading.Thread(target=self.end_with_host, args=(int(liveness),), daemon=True).start()
        line = "1|1|%s|grpc|\n" % address.replace(":", "|", 1)
        handshake = os.environ.get("ORCH_HANDSHAKE_FD")
        if handshake:
            os.write(int(handshake), line.encode())
            os.close(int(handshake))
        else:
            print(line, end="", flush=True)

    def run(self):
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=256), options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)])
        server.add_generic_rpc_handlers((self.handlers(),))
        address = self.address or "unix:" + os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "plugin.sock")
        os.umask(0o077)  # whoever may connect to the socket may run activities
        server.add_insecure_port(address)
        server.start()
        self.end_on_signal()
        if self.address:
            print("%s %s serves at %s. In orch.toml, before the host starts:\n\n[dev.%s]\nattach = %s" % (
                self.plugin.name, self.plugin.version, address, self.plugin.group, json.dumps(address)), flush=True)
        else:
            self.greet(address)
        while not self.finished.wait(3600):
            pass
        server.stop(0.1).wait()
        self.close()
        sys.stdout.flush()
        os._exit(0)  # threads of cut attempts must not hold the process up


def failed(type, message, non_retryable=False, stack="", canceled=False):
    return pb.ExecuteEvent(failure=pb.Failure(type=clean(type), message=clean(message), non_retryable=non_retryable,
                                              stack=clean(stack), canceled=canceled))
