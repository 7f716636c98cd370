"""What Triton says of its models: the answer to `RepositoryIndex` of its gRPC protocol.

It is read without tritonclient, which is the worker's alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

REPOSITORY_INDEX = "/inference.GRPCInferenceService/RepositoryIndex"
UNAVAILABLE = "UNAVAILABLE"
_MODELS, _NAME, _STATE, _REASON = 1, 1, 3, 4  # fields of RepositoryIndexResponse and of its ModelIndex
_VARINT, _BYTES = 0, 2  # wire types; the two messages have no others
_MORE = 0x80  # the bit of a number's bytes that says that another one follows
_PREFIXES = ("Internal: ", "TritonModelException: ")


@dataclass(frozen=True, slots=True)
class IndexedModel:
    """`state` is empty for a model that was never asked for."""

    name: str
    state: str
    reason: str

    @property
    def said(self) -> str:
        """The first paragraph of the reason, as one line without Triton's words around it."""
        line = " ".join(self.reason.partition("\n\n")[0].split())
        for prefix in _PREFIXES:
            line = line.removeprefix(prefix)
        return line


def read_index(answer: bytes) -> list[IndexedModel]:
    return [_model(dict(_fields(value))) for number, value in _fields(answer) if number == _MODELS]


def _model(fields: dict[int, bytes]) -> IndexedModel:
    name, state, reason = (fields.get(number, b"").decode(errors="replace") for number in (_NAME, _STATE, _REASON))
    return IndexedModel(name, state, reason)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields that hold bytes, with their numbers. Raises ValueError for what is no such message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        size, position = _varint(message, position)
        if key & 7 == _BYTES:
            yield key >> 3, message[position : position + size]
            position += size
        elif key & 7 != _VARINT:
            raise ValueError(f"wire type {key & 7} stands in no answer of RepositoryIndex")


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
