"""Mutual TLS between Triton and its clients, from one shared secret.

Both ends derive the same two keys from `SAMFLEET_TRITON_SECRET`: the key of an authority, and a key whose certificate
the authority signs. Each end trusts only that authority, so a peer without the secret fails the handshake before it can
send a request. Triton reads keys from files; its alternative, `--grpc-restricted-protocol`, exposes the secret in the
process list to every account (docs/adr/0017-triton-is-closed.md).

`python -m samfleet.triton_tls FOLDER` writes the files that Triton's command line names.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from samfleet.config import Settings
from samfleet.errors import SamfleetError

SERVER_NAME = "samfleet-triton"  # in the certificate, at any address of the server
_AUTHORITY = "samfleet-triton-authority"
_VALID = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC))  # revoked by changing the secret
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4, D.1.2.3
# Every client sees the public key in the certificate, so guessing a weak secret must be slow: 16 MiB and about 50 ms
# a guess.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class TritonSecretMissing(SamfleetError):
    """Triton listens on a network and needs SAMFLEET_TRITON_SECRET, the same as in its workers; make one with
    `openssl rand -hex 32`.
    """

    code = "triton_secret_missing"


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """A private key, its certificate and the certificate of the authority that both ends trust, all as PEM."""

    key: bytes
    certificate: bytes
    authority: bytes


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """An identity on disk, readable only by its owner."""

    key: Path
    certificate: Path
    authority: Path

    def triton_options(self) -> tuple[str, ...]:
        return (
            "--grpc-use-ssl=true",
            "--grpc-use-ssl-mutual=true",
            f"--grpc-server-cert={self.certificate}",
            f"--grpc-server-key={self.key}",
            f"--grpc-root-cert={self.authority}",
        )


def derive_identity(secret: str) -> TlsIdentity:
    """Derive the identity from the secret.

    Keys are the same at each call but signatures are not, so both ends trust the authority, not a certificate.
    """
    seed = hashlib.scrypt(secret.encode(), salt=b"samfleet triton tls 1", dklen=96, **_SCRYPT)
    authority_key, key = _private_key(seed[:48]), _private_key(seed[48:])
    authority = _sign(_AUTHORITY, authority_key, authority_key, x509.BasicConstraints(ca=True, path_length=0))
    certificate = _sign(SERVER_NAME, key, authority_key, x509.BasicConstraints(ca=False, path_length=None))
    return TlsIdentity(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate=certificate.public_bytes(Encoding.PEM),
        authority=authority.public_bytes(Encoding.PEM),
    )


def _private_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(1 + int.from_bytes(seed) % (_P256_ORDER - 1), ec.SECP256R1())


def _sign(
    name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, kind: x509.BasicConstraints
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_VALID[0])
        .not_valid_after(_VALID[1])
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(kind, critical=True)
        .sign(authority, SHA256())
    )


def write_identity(identity: TlsIdentity, folder: Path) -> TlsFiles:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = TlsFiles(folder / "triton.key", folder / "triton.crt", folder / "authority.crt")
    contents = {files.key: identity.key, files.certificate: identity.certificate, files.authority: identity.authority}
    for path, content in contents.items():
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
    return files


def require_secret(secret: str | None) -> str:
    if secret is None:
        raise TritonSecretMissing
    return secret


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m samfleet.triton_tls",
        description="Write Triton's TLS files and print the options that name them, one per line.",
    )
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args(argv)
    os.umask(0o077)
    try:
        secret = require_secret(Settings().triton_secret)
    except TritonSecretMissing as error:
        parser.exit(1, f"{error.code}: {error.message}\n")
    files = write_identity(derive_identity(secret), arguments.folder)
    sys.stdout.write("\n".join(files.triton_options()) + "\n")


if __name__ == "__main__":
    main()
