# SPDX-License-Identifier: MIT
"""The traceparent of OpenTelemetry's current span, with its own SDK where that is installed."""
import threading

import pytest
import sidepool
from sidepool._messages import Response


def play(fake, seen):
    for _ in range(2):
        received = fake.next()
        seen.append(received.request)
        answer = Response()
        answer.results.add(command_tag="SELECT 0")
        received.reply(answer)


@pytest.mark.long
def test_current_span_travels(fake):
    pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    tracer = trace.get_tracer("test")
    seen = []
    player = threading.Thread(target=play, args=(fake, seen))
    player.start()
    with sidepool.connect(fake.path, autocommit=True) as connection:
        with tracer.start_as_current_span("outer") as span:
            connection.execute("SELECT 1")
        connection.execute("SELECT 1")
    player.join(30)
    context = span.get_span_context()
    assert [r.traceparent for r in seen] == [f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}", ""]
