# SPDX-License-Identifier: MIT
"""Who asks: the line of the program that a request comes from, and the trace that it belongs to."""
import sys
from types import CodeType

_LIMIT_BYTES = 255
_SITES_MAX = 4096
_NOT_THE_PROGRAM = ("sidepool", "sqlalchemy", "asyncio", "django", "greenlet", "contextlib", "pandas")


# By id() of a code object: that (so that its id is no one else's), and None where it is not the program's own, else a dict of
# (text, field of a Request) by the place in its bytecode.
_codes: dict[int, tuple[CodeType, dict | None]] = {}


def _look(frame):
    """The nearest frame's entry of the cache whose code is the program's own, and the frame."""
    while frame is not None:
        code = frame.f_code
        found = _codes.get(id(code))
        if found is None:
            found = _learn(frame, code)
        if found[1] is not None:
            return found[1], frame
        frame = frame.f_back
    return None, None


def _learn(frame, code):
    if len(_codes) >= _SITES_MAX:
        _codes.clear()
    module = frame.f_globals.get("__name__") or ""
    ours = module.partition(".")[0] in _NOT_THE_PROGRAM
    found = _codes[id(code)] = code, None if ours else {}
    return found


def _site(sites, frame):
    path = frame.f_code.co_filename
    text = f"{path[path.rfind('/') + 1:]}:{frame.f_lineno}"
    encoded = text.encode(errors="replace")
    if len(encoded) > _LIMIT_BYTES:
        text = encoded[-_LIMIT_BYTES:].decode(errors="ignore")
        encoded = text.encode()
    size = bytes((len(encoded),)) if len(encoded) < 128 else bytes((len(encoded) & 127 | 128, 1))
    made = sites[frame.f_lasti] = text, b"\x3a" + size + encoded
    return made


def call_site():
    """"file.py:88" of the nearest frame that is the program's own."""
    sites, frame = _look(sys._getframe(1))
    if sites is None:
        return ""
    return (sites.get(frame.f_lasti) or _site(sites, frame))[0]


def call_site_field():
    """The same as the field of a Request, packed."""
    sites, frame = _look(sys._getframe(3))  # execute()
    if sites is None:
        return b""
    return (sites.get(frame.f_lasti) or _site(sites, frame))[1]


def traceparent():
    """W3C traceparent of OpenTelemetry's current span, where the program uses that."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
