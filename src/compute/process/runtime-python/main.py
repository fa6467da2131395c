"""Mikan's Python runtime: the program that runs in a function's process.

It loads the handler, then takes one invocation after the other from the framed channel (frames.ts has its layout and
kinds). It needs nothing but Python 3.8, and imports what not every function needs only when it is needed. What it says
in errors and in the log, AWS's own runtime says in the same words.
"""

import _thread
import importlib
import io
import json
import os
import signal
import sys
import time
from importlib.machinery import PathFinder

# Kinds of frames.
INVOKE, READY, INIT_ERROR, ANSWER, FAILURE, TOO_LARGE, LOG, OUTPUT = 1, 2, 3, 4, 5, 7, 8, 9
# The file descriptors of the channel.
FROM_NODE, TO_NODE = 3, 4
HEAD_BYTES = 13
READ_BYTES = 64 * 1024

# The same figure as the node's; AWS names it in the message.
RESPONSE_BYTES_MAX = 6_291_556
# Longer events are cut by the node anyway; these keep a message within a frame.
MESSAGE_BYTES_MAX = 1024 * 1024
ERROR_BYTES_MAX = 1024 * 1024
ERROR_MESSAGE_LENGTH_MAX = 64 * 1024
# Resident memory is read at most this often: it costs more than a small answer.
RESIDENT_EVERY_S = 0.1

TASK_ROOT = os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd()
# AWS's encoder leaves characters as they are since Python 3.12.
ENSURE_ASCII = os.environ.get("AWS_EXECUTION_ENV", "") in {
    "AWS_Lambda_python3.8",
    "AWS_Lambda_python3.9",
    "AWS_Lambda_python3.10",
    "AWS_Lambda_python3.11",
}


LOG_AS_JSON = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"
# By the numbers of `logging`, where Python has no such level.
LOG_LEVEL = {"TRACE": 10, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}.get(
    os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
)


class Channel:
    """Writes block: a frame is out before an exit can lose it, and log and answer keep their order."""

    def __init__(self):
        self._lock = _thread.RLock()
        self._in_child = False
        self._rest = b""
        # Programs that the function starts have nothing to say to the node.
        os.set_inheritable(FROM_NODE, False)
        os.set_inheritable(TO_NODE, False)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self):
        # The lock may have been held by a thread that the child does not have.
        self._lock = _thread.RLock()
        self._in_child = True

    def send(self, kind, number=0, payload=b""):
        if self._in_child:
            self._send_from_child(kind, number, payload)
            return
        lengths = b"\0\0\0\0" + len(payload).to_bytes(4, "little")
        left = memoryview(bytes((kind,)) + number.to_bytes(4, "little") + lengths + payload)
        with self._lock:
            while left:
                left = left[os.write(TO_NODE, left) :]

    def _send_from_child(self, kind, number, payload):
        # Frames of two processes would mix: a fork writes to the standard streams, and never answers for its parent.
        if kind not in (LOG, OUTPUT):
            os._exit(0)
        os.write(2 if number == 2 else 1, payload if kind == OUTPUT else payload + b"\n")

    def _read(self, size):
        chunk = self._rest
        if len(chunk) < size:
            parts, length = [chunk], len(chunk)
            while length < size:
                chunk = os.read(FROM_NODE, max(READ_BYTES, size - length))
                if not chunk:
                    # SIGKILL and not exit: nothing that the function registered may hold the process without its node.
                    os.kill(os.getpid(), signal.SIGKILL)
                parts.append(chunk)
                length += len(chunk)
            chunk = b"".join(parts)
        self._rest = chunk[size:]
        return chunk[:size]

    def receive(self):
        """The next invocation: its meta and its event, as bytes."""
        while True:
            head = self._read(HEAD_BYTES)
            meta = self._read(int.from_bytes(head[5:9], "little"))
            payload = self._read(int.from_bytes(head[9:13], "little"))
            if head[0] == INVOKE:
                return json.loads(meta), payload


class Output(io.RawIOBase):
    """Standard output or error: bytes go to the node at once, in frames of bounded size."""

    def __init__(self, channel, fd):
        super().__init__()
        self._channel = channel
        self._fd = fd

    def writable(self):
        return True

    def fileno(self):
        return self._fd

    def write(self, data):
        data = bytes(data)
        for at in range(0, len(data), MESSAGE_BYTES_MAX):
            self._channel.send(OUTPUT, self._fd, data[at : at + MESSAGE_BYTES_MAX])
        return len(data)


class Log:
    """Events of the log, and the handler of `logging` that makes them."""

    def __init__(self, channel):
        self._channel = channel
        self.request_id = ""

    def write(self, text):
        self._channel.send(LOG, 0, text.encode("utf-8", "backslashreplace")[:MESSAGE_BYTES_MAX])

    def error(self, error):
        """An error as AWS's log shows it; the indentation is no-break spaces there too."""
        if LOG_AS_JSON:
            stamp = time.strftime(JSON_TIME, time.gmtime())
            self.write(json.dumps({"timestamp": stamp, "log_level": "ERROR", **error}, ensure_ascii=False))
            return
        kind, message = error["errorType"], error["errorMessage"]
        lines = [f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}", "Traceback (most recent call last):"]
        for entry in error["stackTrace"]:
            for line in entry.splitlines():
                text = line.lstrip(" ")
                lines.append("\u00a0" * (len(line) - len(text)) + text)
        self.write("\n".join(lines))

    def attach(self, logging):
        """Gives the root logger its handler, with AWS's format."""
        log = self

        class LambdaHandler(logging.Handler):
            def emit(self, record):
                record.aws_request_id = log.request_id
                log.write(self.format(record))

        handler = LambdaHandler()
        logging.Formatter.converter = time.gmtime
        logging.getLogger().addHandler(handler)
        if LOG_AS_JSON:
            handler.setFormatter(json_formatter(logging))
            if LOG_LEVEL is not None:
                logging.getLogger().setLevel(LOG_LEVEL)
            return
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))


def json_formatter(logging):
    """Source: Lambda guide, "Log and monitor Python Lambda functions", JSON structured logs."""
    own = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "aws_request_id", "taskName"}

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            line = {
                "timestamp": self.formatTime(record, JSON_TIME),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
                "requestId": record.aws_request_id or None,
            }
            if record.exc_info and record.exc_info[1] is not None:
                kind, error, _ = record.exc_info
                line["errorType"] = kind.__name__
                line["errorMessage"] = str(error)
                line["stackTrace"] = stack_of(error)
                line["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
            for name, value in record.__dict__.items():
                if name not in own and name not in line:
                    line[name] = value
            known = {name: value for name, value in line.items() if value is not None}
            return json.dumps(known, ensure_ascii=False, default=str)

    return JsonFormatter()


class ModuleFinder:
    """Does something to a module of Python's when the function first imports it: loading it takes longer than this file."""

    def __init__(self, name, attach):
        self._name = name
        self._attach = attach

    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        # A module of this name in the function's code does not hide Python's, on AWS either.
        spec = PathFinder.find_spec(name, [entry for entry in sys.path if entry != TASK_ROOT])
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_attach(module):
                execute(module)
                self._attach(module)

            spec.loader.exec_module = execute_and_attach
        return spec


def on_import(name, attach):
    if name in sys.modules:
        attach(sys.modules[name])
    else:
        sys.meta_path.insert(0, ModuleFinder(name, attach))


class Route:
    """The way to the one host by which a function answers CloudFormation.

    Code that answers calls it by https, most of it on port 443 whatever else the URL says; the node speaks http on a
    port of its own. So exactly that host has the address of the node's endpoint, and its sockets stay plain ones.
    """

    def __init__(self, host, endpoint):
        self._host = host
        address = endpoint[len("http://") :].split("/")[0]
        name, _, port = address.rpartition(":")
        self._address = (name.strip("[]"), int(port)) if name else (address, 80)

    def attach(self, ssl):
        import socket

        route = self
        find_address = socket.getaddrinfo
        wrap_socket = ssl.SSLContext.wrap_socket

        class PlainSocket(socket.socket):
            """A socket of the node's, with what clients ask of one that speaks TLS."""

            def getpeercert(self, binary_form=False):
                return b"" if binary_form else {"subjectAltName": (("DNS", route._host),)}

            def selected_alpn_protocol(self):
                return None

            def version(self):
                return None

            def cipher(self):
                return None

        def routed_getaddrinfo(host, port, *args, **kwargs):
            if host in (route._host, route._host.encode()):
                host, port = route._address
            return find_address(host, port, *args, **kwargs)

        def routed_wrap_socket(context, sock, *args, **kwargs):
            if kwargs.get("server_hostname") != route._host:
                return wrap_socket(context, sock, *args, **kwargs)
            timeout = sock.gettimeout()
            plain = PlainSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
            plain.settimeout(timeout)
            return plain

        socket.getaddrinfo = routed_getaddrinfo
        ssl.SSLContext.wrap_socket = routed_wrap_socket


class Fault(Exception):
    """An error of the runtime itself; its type is `Runtime.` and the name of what went wrong."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = f"Runtime.{kind}"
        self.trace = trace or []


def stack_of(error):
    """The frames of the function, formatted; those of this file come first, and are left out."""
    import traceback

    frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
    while len(frames) > 1 and frames[0][0] == __file__:
        frames.pop(0)
    return traceback.format_list(frames)


def error_of(error, request_id):
    if isinstance(error, Fault):
        kind, message, stack = error.kind, str(error), error.trace
    else:
        kind, stack = type(error).__name__, stack_of(error)
        try:
            message = str(error)
        except Exception:  # A __str__ of the function's own.
            message = "the message of this error cannot be read"
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}


def error_bytes(error):
    encoded = json.dumps(error).encode()
    if len(encoded) <= ERROR_BYTES_MAX:
        return encoded
    return json.dumps({**error, "errorMessage": error["errorMessage"][:ERROR_MESSAGE_LENGTH_MAX], "stackTrace": []}).encode()


class Members:
    """An object with the members that a dict has, or None."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))


class Client(Members):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Members):
    __slots__ = ("custom", "env", "client")


class CognitoIdentity(Members):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


def client_context_of(text):
    if text is None:
        return None
    try:
        context = ClientContext(json.loads(text))
        if context.client is not None:
            context.client = Client(context.client)
        return context
    except Exception as error:
        raise Fault("LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}") from None


class LambdaContext:
    """Source: Lambda guide, "Using the Lambda context object to retrieve Python function information"."""

    def __init__(self, meta, log):
        self.aws_request_id = meta["requestId"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = meta["invokedArn"]
        self.tenant_id = None
        self.client_context = client_context_of(meta.get("clientContext"))
        self.identity = CognitoIdentity({})
        self._deadline_ms = meta["deadlineAt"]
        self._log = log

    def get_remaining_time_in_millis(self):
        return max(0, int(self._deadline_ms - time.time() * 1000))

    def log(self, message):
        self._log.write(str(message))


def encode_with_decimals(result):
    """JSON in which a Decimal is the number that it prints as: marked first, as Python's encoder has no raw numbers."""
    mark = f"decimal-{os.urandom(16).hex()}-"
    decimals = []

    def default(value):
        if type(value).__module__ in ("decimal", "_decimal") and type(value).__name__ == "Decimal":
            decimals.append("NaN" if value.is_nan() else str(value))
            return f"{mark}{len(decimals) - 1}"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    text = json.dumps(result, ensure_ascii=ENSURE_ASCII, default=default)
    for index, number in enumerate(decimals):
        text = text.replace(f'"{mark}{index}"', number, 1)
    return text


plain_encoder = json.JSONEncoder(ensure_ascii=ENSURE_ASCII)


def result_bytes(result):
    if isinstance(result, bytes):
        return result
    try:
        text = encode_with_decimals(result) if "decimal" in sys.modules else plain_encoder.encode(result)
        return text.encode()
    except Exception as error:
        raise Fault("MarshalError", f"Unable to marshal response: {error}") from None


def event_of(payload):
    try:
        return json.loads(payload)
    except Exception as error:
        raise Fault("UnmarshalError", f"Unable to unmarshal input: {error}") from None


def load_handler(name):
    """`pkg/mod.handler` or `pkg.mod.handler`: a module, and a member of it."""
    module_name, dot, member = name.rpartition(".")
    if not dot:
        reason = "not enough values to unpack (expected 2, got 1)"
        raise Fault("MalformedHandlerName", f"Bad handler '{name}': {reason}")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from None
    try:
        return getattr(module, member)
    except AttributeError:
        raise Fault("HandlerNotFound", f"Handler '{member}' missing on module '{module_name}'") from None


class Resident:
    """Resident memory in KiB; 0 where there is no /proc, as the node counts it there."""

    def __init__(self):
        self._kib = 0
        self._read_at = None
        self._page_kib = os.sysconf("SC_PAGE_SIZE") // 1024

    def kib(self):
        now = time.monotonic()
        if self._read_at is None or now - self._read_at > RESIDENT_EVERY_S:
            self._read_at = now
            try:
                with open("/proc/self/statm", "rb") as file:
                    self._kib = int(file.read().split()[1]) * self._page_kib
            except FileNotFoundError:
                self._kib = 0
        return self._kib


def invoke(handler, meta, payload, channel, log, resident):
    log.request_id = meta["requestId"]
    os.environ["_X_AMZN_TRACE_ID"] = meta["traceHeader"]
    try:
        context = LambdaContext(meta, log)
        answer = result_bytes(handler(event_of(payload), context))
    # What is no Exception, SystemExit above all, ends the process: Runtime.ExitError.
    except Exception as caught:
        error = error_of(caught, meta["requestId"])
        log.error(error)
        channel.send(FAILURE, resident.kib(), error_bytes(error))
        return
    if len(answer) <= RESPONSE_BYTES_MAX:
        channel.send(ANSWER, resident.kib(), answer)
        return
    message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
    too_large = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
    channel.send(TOO_LARGE, resident.kib(), error_bytes(too_large))


def main():
    channel = Channel()
    log = Log(channel)
    resident = Resident()
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(Output(channel, 1), encoding="utf-8", write_through=True)
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(
        Output(channel, 2), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    # The first entry is the folder of this file, unless the function has set PYTHONSAFEPATH.
    if sys.path[0] == os.path.dirname(__file__):
        sys.path.pop(0)
    sys.path.insert(0, TASK_ROOT)
    on_import("logging", log.attach)
    # AWS's runtime has no arguments either.
    host, endpoint = sys.argv[1:3]
    del sys.argv[1:]
    if endpoint.startswith("http:"):
        on_import("ssl", Route(host, endpoint).attach)
    try:
        handler = load_handler(os.environ.get("_HANDLER", ""))
    except Exception as caught:
        error = error_of(caught, "")
        log.error(error)
        channel.send(INIT_ERROR, 0, error_bytes(error))
        sys.exit(1)
    channel.send(READY, resident.kib())
    while True:
        meta, payload = channel.receive()
        invoke(handler, meta, payload, channel, log, resident)


# The children of `multiprocessing` may load this file again.
if __name__ == "__main__":
    main()
