"""Reading of another site's file: verification first, then the lines, both in bounded memory."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from samfleet.errors import InvalidInput, TooLarge
from samfleet.sites.key import is_signed
from samfleet.sites.lines import CONTENT, FORMAT, VERSION, Content, Header, Signature

BLOCK_BYTES = 1 << 18
LINE_BYTES = 1 << 20  # a rollup with every bucket filled takes a hundredth
GZIP = 31
_MOST_SHOWN = 100  # characters of a field name, which the file can choose
_GZIP_BEGIN = b"\x1f\x8b"
_NUL = b"\\u0000"  # PostgreSQL's text cannot store it

Parsed = TypeVar("Parsed", bound=BaseModel)


class SiteFileDamaged(InvalidInput):
    """This is not a complete file of `samfleet report export`; fetch it again, or have it exported again."""

    code = "site_file_damaged"


class SiteFileTooNew(InvalidInput):
    """The file was written by a newer samfleet; update this one to read it."""

    code = "site_file_too_new"


class SiteSignatureInvalid(InvalidInput):
    """The file is not signed by the site that it names; ask that site for another export."""

    code = "site_signature_invalid"


class SiteFileTooLarge(TooLarge):
    """The file has more measurements than this server accepts at once; have it exported in parts with `--since`."""

    code = "site_file_too_large"


def verify(file: IO[bytes], max_bytes: int) -> Header:
    """Read a file to its end and return its header; the file must be whole and signed by the key that it names."""
    digest, header, held = hashlib.sha256(), None, b""
    for line in _unpacked_lines(file, max_bytes):
        if header is None:
            header = _header(line)
        else:
            digest.update(held)
        held = line
    if header is None:
        raise SiteFileDamaged
    end = _parse(Signature, held)
    if end.sha256 != digest.hexdigest():
        raise SiteFileDamaged("the file was changed after it was written: its digest differs; have it exported again")
    if not is_signed(header.public_key, digest.digest(), end.signature):
        raise SiteSignatureInvalid
    return header


def read_content(file: IO[bytes], max_bytes: int) -> Iterator[Content]:
    """Yield the lines between the header and the signature of a verified file."""
    held: bytes | None = None
    file.seek(0)
    lines = _unpacked_lines(file, max_bytes)
    next(lines)
    for line in lines:
        if held is not None:
            yield _content(held)
        held = line


def _header(line: bytes) -> Header:
    try:
        loose = json.loads(line)
        named, version = loose["format"], loose["version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SiteFileDamaged("this is not a file of `samfleet report export`: it has no valid header") from error
    if named == FORMAT and isinstance(version, int) and version > VERSION:
        raise SiteFileTooNew(
            f"the file has version {version} and was written by a newer samfleet; "
            f"this one reads version {VERSION}: update it"
        )
    return _parse(Header, line)


def _parse(model: type[Parsed], line: bytes) -> Parsed:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise SiteFileDamaged(_explained(error)) from error


def _content(line: bytes) -> Content:
    if _NUL in line:
        raise SiteFileDamaged("a line of the file has a character that cannot be stored; have it exported again")
    try:
        return CONTENT.validate_json(line)
    except ValidationError as error:
        raise SiteFileDamaged(_explained(error)) from error


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))[:_MOST_SHOWN] or "a line"
    return f"the file has an invalid line ({where}: {first['msg']}); have it exported again"


def _unpacked_lines(file: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yield lines with their ends. An incomplete line, or more bytes than allowed, is an error."""
    size, rest = 0, b""
    for block in _unpacked(file):
        size += len(block)
        if size > max_bytes:
            raise SiteFileTooLarge(f"the file has more than {max_bytes} bytes unpacked, the most this server accepts")
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > LINE_BYTES:
            raise SiteFileDamaged
    if rest:
        raise SiteFileDamaged("the file ends in the middle of a line: it was cut short; fetch it again")


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """Yield unpacked blocks of bounded size, however large the file unpacks."""
    begin = file.read(len(_GZIP_BEGIN))
    if begin != _GZIP_BEGIN:
        yield begin
        while block := file.read(BLOCK_BYTES):
            yield block
        return
    unpacker, packed = zlib.decompressobj(GZIP), begin + file.read(BLOCK_BYTES)
    while True:
        try:
            block = unpacker.decompress(packed, BLOCK_BYTES)
        except zlib.error as error:
            raise SiteFileDamaged(f"the file is damaged ({error}); fetch it again") from error
        yield block
        if unpacker.eof:
            break
        packed = unpacker.unconsumed_tail or file.read(BLOCK_BYTES)
        if not packed and not block:
            raise SiteFileDamaged("the file is cut short; fetch it again")
    if unpacker.unused_data or file.read(1):
        raise SiteFileDamaged("the file has data after its end; fetch it again")
