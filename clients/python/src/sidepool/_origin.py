# SPDX-License-Identifier: MIT
"""Who asks: the line of the program that a request comes from, and the trace that it belongs to."""
import sys

_LIMIT_BYTES = 255
_NOT_THE_PROGRAM = ("sidepool", "sqlalchemy", "asyncio", "django", "greenlet", "contextlib", "pandas")


def call_site():
    """"file.py:88" of the nearest frame that is the program's own."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _NOT_THE_PROGRAM:
            path = frame.f_code.co_filename
            text = f"{path[path.rfind('/') + 1:]}:{frame.f_lineno}"
            return text if len(text) <= 80 else text.encode()[-_LIMIT_BYTES:].decode(errors="ignore")
        frame = frame.f_back
    return ""


def traceparent():
    """W3C traceparent of OpenTelemetry's current span, where the program uses that."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
