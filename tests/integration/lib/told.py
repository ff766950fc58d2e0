# SPDX-License-Identifier: MIT
"""A daemon that says of itself what it was given, however far from any truth: for what shows it."""
import socketserver
import struct
import threading

from .wire import GREETING, Request, Response

UINT32, UINT64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        assert self.rfile.read(len(GREETING)) == GREETING
        self.wfile.write(b"\0SP\0\0\x31\0\0")
        while head := self.rfile.read(9):
            body = self.rfile.read(struct.unpack(">Q", head[1:])[0])
            answer = body[:4] + self.server.answer(body[4:]).SerializeToString()
            self.wfile.write(b"\1" + struct.pack(">Q", len(answer)) + answer)


class Told(socketserver.ThreadingUnixStreamServer):
    """`with Told(path, status=StatusReply, health=..., admin=...):` answers with these parts of a Response."""

    daemon_threads = True

    def __init__(self, path, **answers):
        super().__init__(str(path), Connection)
        self.answers = {"ping": Response(), **{kind: Response(**{kind: message}) for kind, message in answers.items()}}
        hello = Response()
        hello.hello.version, hello.hello.instance_id, hello.hello.max_message_bytes = 1, 1, 1 << 24
        hello.hello.pools.append("main")
        self.answers["hello"] = hello
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def answer(self, packed):
        return self.answers[Request.FromString(packed).WhichOneof("kind")]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


def filled(message, texts, repeat=2):
    """Every field of it: texts by turns, numbers as large as they can be, and `repeat` of each repeated one."""
    for field in message.DESCRIPTOR.fields:
        at = getattr(message, field.name)
        if field.containing_oneof:
            continue
        if field.is_repeated and field.message_type:
            for i in range(repeat):
                filled(at.add(), texts[i:] + texts[:i], repeat)
        elif field.is_repeated:
            at.extend(value_of(field, texts[i % len(texts)]) for i in range(repeat))
        elif field.message_type:
            filled(at, texts, repeat)
        else:
            setattr(message, field.name, value_of(field, texts[0]))
    return message


def value_of(field, text):
    if field.enum_type:
        return field.enum_type.values[-1].number
    numbers = {field.TYPE_UINT32: UINT32, field.TYPE_UINT64: UINT64, field.TYPE_INT32: -(1 << 31), field.TYPE_BOOL: True}
    return numbers.get(field.type, text.encode() if field.type == field.TYPE_BYTES else text)
