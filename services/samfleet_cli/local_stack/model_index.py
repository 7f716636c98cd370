"""Parsers of Triton's gRPC replies: `RepositoryIndex` lists its models and their states, `ServerMetadata` its version.

They do not need tritonclient, which is only the worker's dependency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

REPOSITORY_INDEX = "/inference.GRPCInferenceService/RepositoryIndex"
SERVER_METADATA = "/inference.GRPCInferenceService/ServerMetadata"
UNAVAILABLE = "UNAVAILABLE"
_MODELS, _NAME, _STATE, _REASON = 1, 1, 3, 4  # fields of RepositoryIndexResponse and of its ModelIndex
_VERSION = 2  # field of ServerMetadataResponse
_VARINT, _BYTES = 0, 2  # wire types; these messages have no others
_MORE = 0x80  # continuation bit of a varint
_PREFIXES = ("Internal: ", "TritonModelException: ")


@dataclass(frozen=True, slots=True)
class IndexedModel:
    """A model in the index. `state` is empty for a model that was never requested."""

    name: str
    state: str
    reason: str

    @property
    def said(self) -> str:
        """First paragraph of the reason as one line, without Triton's prefixes."""
        line = " ".join(self.reason.partition("\n\n")[0].split())
        for prefix in _PREFIXES:
            line = line.removeprefix(prefix)
        return line


def read_index(answer: bytes) -> list[IndexedModel]:
    return [_model(dict(_fields(value))) for number, value in _fields(answer) if number == _MODELS]


def read_version(answer: bytes) -> str:
    """Return the version in a `ServerMetadata` reply, such as "2.51.0"; empty without one."""
    return dict(_fields(answer)).get(_VERSION, b"").decode(errors="replace")


def _model(fields: dict[int, bytes]) -> IndexedModel:
    name, state, reason = (fields.get(number, b"").decode(errors="replace") for number in (_NAME, _STATE, _REASON))
    return IndexedModel(name, state, reason)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of bytes with their numbers. Raises ValueError for malformed messages."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        size, position = _varint(message, position)
        if key & 7 == _BYTES:
            yield key >> 3, message[position : position + size]
            position += size
        elif key & 7 != _VARINT:
            raise ValueError(f"wire type {key & 7} is not used in these replies")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message):
            raise ValueError("the message ends within a number")
        byte = message[position]
        value |= (byte & ~_MORE) << shift
        position, shift = position + 1, shift + 7
        if not byte & _MORE:
            return value, position
