# SPDX-License-Identifier: MIT
"""One connection to the daemon without its I/O: it numbers calls, frames them, and finds the call that an answer is for.

A call is in one of these: `Channel.calls` (waiting for its answer) or done. What was framed waits in `_out` until the
socket has taken it; the counters `_queued` and `_taken` tell of each call whether a byte of it has left this process,
because only a call of which none has may go to another connection.
"""
from collections import OrderedDict

from . import errors
from ._messages import FINISH_ROLLBACK, Request, Response
from ._sp import FIRST_ID, GREETING, FrameReader, FramingError, frame, next_id

IN_FLIGHT_MAX = 1000  # the daemon reads no further beyond 1024; the rest is room for Cancel
UNSENT_MAX_BYTES = 4 << 20
MESSAGE_LIMIT_BYTES = 16 << 20  # until HelloReply says otherwise
STATEMENTS_MAX = 256
VERSION = 1  # of the contract in proto/


class Call:
    """One request. `wake` is called once, from whoever reads the socket, when it is done."""

    __slots__ = (
        "message", "channel", "request_id", "response", "error", "wake", "text", "known", "plan", "rows", "start", "abandoned",
    )  # fmt: skip

    def __init__(self, message, text=None):
        self.message = message
        self.channel = None
        self.request_id = 0
        self.response = None
        self.error = None
        self.wake = None
        self.text = text  # of the one statement in the message, for the statement cache
        self.known = None  # the entry of the cache that the message was made from
        self.plan = None  # where it went the short way (_express.py): its message is made when it is needed
        self.rows = None  # the packed rows of an answer that is like the last; then there is no response
        self.start = 0  # where in the channel's output it begins
        self.abandoned = False

    @property
    def done(self):
        return self.response is not None or self.error is not None or self.rows is not None

    def finish(self, response=None, error=None):
        self.response, self.error = response, error
        if self.wake is not None:
            self.wake()


class Unsent(Exception):
    """The connection ended before a byte of the request had left: it may go to another."""


class Known:
    """What the daemon at the other end knows of a statement."""

    __slots__ = ("statement_id", "columns_id", "columns")

    def __init__(self, statement_id, columns_id, columns):
        self.statement_id, self.columns_id, self.columns = statement_id, columns_id, columns


class Channel:
    def __init__(self):
        self.calls = {}
        self.hello = None
        self.lost = None  # why it ended
        self.owner = None  # the link that it is on
        self.draining = False  # the daemon said that it shuts down
        self.statements = OrderedDict()
        self.plans = {}  # by text and types: see _express.py
        self._asked_again = False
        self._hello_message = None
        self._reader = FrameReader()
        self._out = bytearray(GREETING)
        self._queued = self._taken = 0
        self._id = FIRST_ID

    @property
    def full(self):
        return len(self.calls) >= IN_FLIGHT_MAX or len(self._out) > UNSENT_MAX_BYTES

    @property
    def usable(self):
        return self.lost is None and not self.draining

    @property
    def max_message_bytes(self):
        return (self.hello.max_message_bytes if self.hello else 0) or MESSAGE_LIMIT_BYTES

    def hello_call(self, application, client, version):
        request = Request()
        hello = request.hello
        hello.min_version = hello.max_version = VERSION
        hello.application_name, hello.client_name, hello.client_version = application, client, version
        self._hello_message = request
        call = Call(request)
        self.enqueue(call)
        return call

    # -- out

    def enqueue(self, call):
        """Queues a call's message. Raises MESSAGE_TOO_LARGE, with nothing queued."""
        if self.lost is not None:
            raise Unsent
        if call.text is not None:
            call.known = self._apply(call)
        body = call.message.SerializeToString()
        if len(body) + 4 > self.max_message_bytes:
            n, limit = len(body) + 4, self.max_message_bytes
            raise errors.pool_error("MESSAGE_TOO_LARGE", f"the message has {n} bytes, the daemon takes at most {limit}")
        call.request_id = self._free_id()
        call.channel = self
        call.start = self._queued
        framed = frame(call.request_id, body)
        # In this order: wherever a signal's exception interrupts it, a call is rather held for sent than sent twice.
        self.calls[call.request_id] = call
        self._out += framed
        self._queued += len(framed)

    def _free_id(self):
        self._id = next_id(self._id)
        while self._id in self.calls:
            self._id = next_id(self._id)
        return self._id

    @property
    def pending(self):
        """Bytes that the socket has not taken."""
        return self._out

    def taken(self, n):
        """The socket took n bytes."""
        greeting = min(n, max(0, len(self._out) - (self._queued - self._taken)))
        self._taken += n - greeting
        del self._out[:n]

    def enqueue_short(self, call, body):
        """Queues a request that is packed already."""
        call.request_id = self._free_id()
        call.start = self._queued
        framed = frame(call.request_id, body)
        self.calls[call.request_id] = call
        self._out += framed
        self._queued += len(framed)

    def owe(self, rest):
        """What is left of a message of which a part has gone past this queue."""
        self._out += rest
        self._queued += len(rest)

    @property
    def before_now(self):
        """The start of a call that has left."""
        return self._taken - 1

    # -- in

    def feed(self, data):
        """Takes what the socket brought. Raises nothing: what is no answer loses the channel."""
        try:
            for request_id, body in self._reader.feed(data):
                self._answer(request_id, body)
        except FramingError as e:
            self.lose(_violation(e))

    def _answer(self, request_id, body):
        call = self.calls.pop(request_id, None)
        if call is None:
            raise FramingError(f"an answer to no request ({request_id:#x})")
        if call.plan is not None and self._answer_shortly(call, body):
            return
        try:
            response = Response.FromString(body)
        except Exception as e:  # DecodeError, of whichever runtime
            self.calls[request_id] = call
            raise FramingError(f"an answer is no sidepool.v1.Response: {e}") from e
        if call.abandoned:
            self._discard(response)
        elif call.text is not None and response.results:
            self._learn(call, response.results[0])
        if call.plan is not None:
            call.plan.learn(response, body)
        if response.results and self.hello is not None and not self.hello.parameters and not self._asked_again:
            self._ask_again(call, response)
            return
        call.finish(response=response)

    def _answer_shortly(self, call, body):
        """False: the answer is to be looked at as every other."""
        call.rows = None if call.abandoned else call.plan.take(body, 0, len(body))
        if call.rows is None:
            call.message = call.plan.message()
            return False
        call.finish()
        return True

    def _ask_again(self, call, response):
        """The daemon greeted before it had a connection to PostgreSQL, so TimeZone and DateStyle are not known, and rows cannot
        be loaded without. Now it has: the first answer waits for another HelloReply."""
        self._asked_again = True
        hello = Call(self._hello_message)

        def answered():
            if hello.response is not None and hello.response.HasField("hello"):
                self.hello = hello.response.hello
            call.finish(response=response)

        hello.wake = answered
        self.enqueue(hello)

    def abandon(self, call):
        """Nobody waits for it any more; what it may still bring goes back."""
        call.abandoned = True

    def _discard(self, response):
        if response.stream_id:
            request = Request()
            request.fetch.stream_id, request.fetch.close = response.stream_id, True
            self.enqueue(Call(request))
        if response.HasField("lease"):
            request = Request(finish=FINISH_ROLLBACK)
            request.lease.lease_id, request.lease.token = response.lease.lease_id, response.lease.token
            request.release.SetInParent()
            self.enqueue(Call(request))

    def lose(self, reason=None):
        """The connection ended: every call learns of it. `reason`: an exception, or None where it was closed."""
        if self.lost is not None:
            return
        self.lost = reason if reason is not None else errors.pool_error("DAEMON_LOST")
        calls, self.calls = self.calls, {}
        for call in calls.values():
            unsent = call.start >= self._taken
            call.finish(error=Unsent() if unsent else loss_of(self.lost))

    # -- statements

    def _apply(self, call):
        """The daemon is told its own names for what it knows already. An id that it no longer keeps is answered with
        UNKNOWN_STATEMENT and the text then follows; that would upset the order on a lease, so there only columns are
        left out."""
        statement = call.message.query.statement
        key = _key(call)
        known = self.statements.get(key)
        alone = not call.message.HasField("lease") and not call.message.HasField("acquire")
        if known is None:
            statement.sql = call.text
            statement.statement_id = statement.known_columns_id = 0
            return None
        self.statements.move_to_end(key)
        if alone and known.statement_id:
            statement.ClearField("sql")
            statement.statement_id = known.statement_id
        else:
            statement.sql = call.text
            statement.statement_id = 0
        statement.known_columns_id = known.columns_id
        return known

    def _learn(self, call, result):
        known = call.known
        if not result.columns and known is not None and result.columns_id and result.columns_id == known.columns_id:
            result.columns.extend(known.columns)
        if result.HasField("error") or not (result.statement_id or result.columns_id):
            return
        if result.columns_id and not result.columns:
            return
        if known is not None and known.columns_id == result.columns_id and known.statement_id == result.statement_id:
            return
        if known is not None:
            self.plans.clear()  # those of it are out of date
        key = _key(call)
        self.statements[key] = Known(result.statement_id, result.columns_id, list(result.columns))
        self.statements.move_to_end(key)
        while len(self.statements) > STATEMENTS_MAX:
            self.statements.popitem(last=False)

    def forget(self, call):
        self.plans.clear()
        self.statements.pop(_key(call), None)


def _key(call):
    """What a statement id stands for: the text and the types of its parameters."""
    return call.text, tuple(call.message.query.statement.parameter_types)


def _violation(error):
    text = f"what answers on the socket does not keep to sidepool's protocol: {error}"
    return errors.pool_error("PROTOCOL_VIOLATION", text)


def loss_of(reason):
    """An exception of its own for each call, so that each can have its own traceback."""
    if isinstance(reason, errors.Error):
        return errors.pool_error(reason.code or "DAEMON_LOST", str(reason), errors.UNKNOWN)
    error = errors.pool_error("DAEMON_LOST", f"the connection to the daemon was lost before the answer: {reason}")
    error.__cause__ = reason
    return error
