"""Annotation and detection files on this machine, which must be under one of the allowed roots."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from samfleet.datasets.allowed_paths import resolve_allowed
from samfleet.errors import SamfleetError
from samfleet.regular_files import limited, open_resolved


@contextmanager
def open_on_server(
    path: str,
    roots: Sequence[Path],
    max_bytes: int,
    not_found: type[SamfleetError],
    too_large: type[SamfleetError],
) -> Iterator[IO[bytes]]:
    """Open a regular file of at most `max_bytes`. Raises `not_found` or `too_large`, or `DirectoryNotAllowed`."""
    real = resolve_allowed(path, roots)
    try:
        with open_resolved(real) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise too_large(f"{path} has {size} bytes; this server accepts up to {max_bytes}")
            yield limited(file, max_bytes, partial(too_large, f"{path} grew beyond the {max_bytes} bytes accepted"))
    except OSError as error:
        raise not_found(f"{path} cannot be read on the server ({error.strerror}); check the path") from error
