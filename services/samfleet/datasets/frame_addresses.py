"""Addresses and names of frames: images that are a part of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

SCHEME = "frame"
PREFIX = "^frame:[0-9]+:"  # of an address, as a regular expression of PostgreSQL and Python
MOST_FRAMES = 1_000_000  # that the digits of a name can number
_ADDRESS = re.compile(f"{SCHEME}:([0-9]+):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FrameAddress:
    """Frame `index`, from 0, of the file at the address `file`."""

    file: str
    index: int

    @property
    def uri(self) -> str:
        """Return the `DatasetImage.uri`: frame:3:file:///scan.tif."""
        return f"{SCHEME}:{self.index}:{self.file}"

    @classmethod
    def of(cls, uri: str) -> Self | None:
        """Return the frame that an address names; None if it is of a whole file."""
        found = _ADDRESS.fullmatch(uri)
        return None if found is None else cls(found[2], int(found[1]))


def file_of(uri: str) -> str:
    """Return the address of the file in which an image lies: without the number of the frame."""
    frame = FrameAddress.of(uri)
    return uri if frame is None else frame.file


def frame_name(file_name: str, index: int) -> str:
    """Return the name of a frame: scan.tif/000003.png. Its digits keep the order of names that of frames.

    It is like a file in a folder, so exports that change suffixes keep the frames of a file apart.
    """
    return f"{file_name}/{index:06d}.png"
