# SPDX-License-Identifier: MIT
"""The short way (_express.py) for threads: one send() and one recv(), where nothing else is on the way on the link.

Who takes it is the link's reader, as one that waits in `_Shared._until()`; what others send meanwhile is answered to the
channel as ever. The socket's first byte tells whether an interrupted recv() has taken anything: a message begins with 1, and
the buffer with 0.
"""
from socket import MSG_DONTWAIT

from ._channel import loss_of
from ._express import short_call
from ._link import outcome
from ._sp import FIRST_ID, HEADER

_BODY, _PACK, _UNPACK_FROM = HEADER.size, HEADER.pack, HEADER.unpack_from
_COUNTED = 9  # where what a length counts begins


class ExpressTransport:
    """The part of a Transport that is in a hurry."""

    def express(self, plan, body):
        """The packed rows of a plan's statement; or a Call with an answer that says more, for the long way to go on with; or
        None: nothing ran. Raises what became of the request."""
        link = self._link
        if link is None or link.channel.plans is not plan.plans:
            return None
        channel, buffer = link.channel, link.buffer
        request_id = sent = got = 0
        try:
            with link.lock:
                if link.reading or channel.calls or channel._out or link.orphans or channel.lost is not None or channel.draining:
                    return None
                number = channel._id = FIRST_ID | ((channel._id + 1) & 0x7FFFFFFF)
                frame = _PACK(1, len(body) + 4, number) + body
                size = len(frame)
                buffer[0] = 0
                link.reading, request_id = True, number
                sent = link.sock.send(frame, MSG_DONTWAIT)
                link.receiving = True
                if sent != size:
                    channel.owe(frame[sent:])
            if sent == size:
                got = link.sock.recv_into(buffer)
                kind, length, answered = _UNPACK_FROM(buffer)
                if answered == request_id and kind == 1 and got == length + _COUNTED:
                    rows = plan.take(buffer, _BODY, got)
                    if rows is not None:
                        return rows
            broken = ConnectionResetError("it closed the connection") if sent == size and not got else None
            call = _to_channel(link, plan, request_id, got, broken)
        except OSError as e:
            if not sent:
                return link.not_sent(e)
            call = _to_channel(link, plan, request_id, 0, e)
        except BaseException:
            if request_id:
                whole, request_id = request_id if sent == size else 0, 0
                self._derailed(link, plan, whole)
            raise
        finally:
            if request_id:
                link.leave_short_way()
        return self._go_on(call)

    def _go_on(self, call):
        """Waits for the rest of an answer."""
        if not call.done:
            try:
                self.wait(call)
            except Exception:
                raise
            except BaseException:
                self._interrupted(call.channel.owner, call)
                raise
        return outcome(call)

    def _derailed(self, link, plan, request_id):
        """A signal's exception came: as in Transport.request() the statement ends too, and its answer is waited for."""
        if not request_id or link.buffer[0]:  # nobody knows which bytes passed
            with link.lock:
                link.torn()
            link.leave_short_way()
            return
        call = _to_channel(link, plan, request_id, 0, None)
        link.leave_short_way()
        self._interrupted(link, call)


def _to_channel(link, plan, request_id, got, broken):
    """The request becomes a Call like every other, with what has come of its answer."""
    channel = link.channel
    call = short_call(plan, channel)
    call.request_id = request_id
    with link.lock:
        if channel.lost is not None:
            call.finish(error=loss_of(channel.lost))
            return call
        call.start = channel.before_now
        channel.calls[request_id] = call
        if got:
            channel.feed(bytes(link.buffer[:got]))
            if channel.lost is not None:
                link.close()
        elif broken is not None:
            link.end(broken)
    return call
