"""The identity of a site: an Ed25519 key pair (RFC 8032). Public key and signatures are written in hexadecimal."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from samfleet.errors import SamfleetError

_FINGERPRINT_BYTES = 16  # a second key with the same 128 bits is infeasible, and people can still compare 32 digits
_PURPOSE = b"samfleet measurements\n"  # signatures of this key for another purpose are not valid here


class SiteKeyUnusable(SamfleetError):
    """The key of this site can be neither read nor created; check SAMFLEET_SITE_KEY_FILE."""

    code = "site_key_unusable"


@dataclass(frozen=True, slots=True)
class SiteKey:
    private: Ed25519PrivateKey

    @property
    def public(self) -> str:
        return self.private.public_key().public_bytes_raw().hex()

    def sign(self, digest: bytes) -> str:
        return self.private.sign(_PURPOSE + digest).hex()


def is_signed(public_key: str, digest: bytes, signature: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            bytes.fromhex(signature), _PURPOSE + digest
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public_key: str) -> str:
    """Return the fingerprint that people compare: 32 hexadecimal digits."""
    return hashlib.sha256(bytes.fromhex(public_key)).digest()[:_FINGERPRINT_BYTES].hex()


def read_key(path: Path) -> SiteKey | None:
    """Return the key, None if none was created yet.

    Errors name the setting and not the path, because clients of the API see them.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SiteKeyUnusable(f"the site's key {_unusable('read', error)}") from error
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SiteKeyUnusable(
            "the file SAMFLEET_SITE_KEY_FILE is not a PEM file of a private key without a password"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SiteKeyUnusable("the key in SAMFLEET_SITE_KEY_FILE is not an Ed25519 key; remove it to have one created")
    return SiteKey(private)


def open_key(path: Path) -> SiteKey:
    """Return the key in this file, created at the first call; only its owner can read the file.

    Several processes may create it at once: the file appears whole or not at all, and the first one stays.
    """
    if (found := read_key(path)) is not None:
        return found
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _name_once(Path(partial), path)
        finally:
            Path(partial).unlink()
    except OSError as error:
        raise SiteKeyUnusable(f"the site's key {_unusable('created', error)}") from error
    made = read_key(path)
    if made is None:
        raise SiteKeyUnusable("the site's key disappeared while it was created; check SAMFLEET_SITE_KEY_FILE")
    return made


def _unusable(verb: str, error: OSError) -> str:
    """Describe the error without its path; the log has the whole error."""
    return f"cannot be {verb} ({error.strerror or type(error).__name__}); check the file SAMFLEET_SITE_KEY_FILE"


def _name_once(partial: Path, path: Path) -> None:
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        return  # another process was first; the site uses its key
