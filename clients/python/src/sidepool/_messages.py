# SPDX-License-Identifier: MIT
"""The messages of proto/sidepool/v1, made at import from a descriptor set by whatever protobuf runtime is installed.

No generated code: that would tie a program to one major version of protobuf. The files live in a pool of their own, so
that another package that carries sidepool's messages too does not collide.
"""
import pkgutil

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "sidepool.v1"


def _load():
    data = pkgutil.get_data(__package__, "_descriptors.bin")
    if data is None:
        raise ImportError("sidepool/_descriptors.bin is missing")
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_pool = _load()


def message_class(name):
    """The class of a message by its name within the package."""
    described = _pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
    if hasattr(message_factory, "GetMessageClass"):  # since 4.22
        return message_factory.GetMessageClass(described)
    return message_factory.MessageFactory(_pool).GetPrototype(described)


Request = message_class("Request")
Response = message_class("Response")
Statement = message_class("Statement")
LeaseOptions = message_class("LeaseOptions")
Error = message_class("Error")

FINISH_COMMIT = 1
FINISH_ROLLBACK = 2

OUTCOME_NOT_SENT = 1
OUTCOME_FAILED = 2
OUTCOME_UNKNOWN = 3

STATUS_IDLE = 1
STATUS_ACTIVE = 2
STATUS_FAILED = 3
