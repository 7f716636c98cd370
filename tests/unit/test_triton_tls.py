from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from samfleet.triton_tls import TlsIdentity, derive_identity, main, write_identity

SECRET = "twenty-four characters and more"


def public_numbers(identity: TlsIdentity) -> tuple[object, object]:
    """Return the public numbers of the key and of the authority."""
    key = load_pem_private_key(identity.key, None).public_key()
    authority = x509.load_pem_x509_certificate(identity.authority).public_key()
    return key.public_numbers(), authority.public_numbers()  # type: ignore[union-attr]


def test_both_ends_derive_the_same_keys_from_a_secret() -> None:
    assert public_numbers(derive_identity(SECRET)) == public_numbers(derive_identity(SECRET))


def test_another_secret_gives_other_keys() -> None:
    own, other = public_numbers(derive_identity(SECRET)), public_numbers(derive_identity(f"{SECRET}!"))
    assert own[0] != other[0]
    assert own[1] != other[1]


def test_certificates_verify_with_the_authority_of_another_derivation() -> None:
    certificate = x509.load_pem_x509_certificate(derive_identity(SECRET).certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(derive_identity(SECRET).authority))
    with pytest.raises(Exception, match=r"^$"):  # InvalidSignature has no message
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(derive_identity(f"{SECRET}!").authority))


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    files = write_identity(derive_identity(SECRET), tmp_path / "tls")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (files.key, files.certificate, files.authority)}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert f"--grpc-server-key={files.key}" in files.triton_options()


def test_the_command_prints_options_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMFLEET_TRITON_SECRET", SECRET)
    main([str(tmp_path / "tls")])
    told = capsys.readouterr().out
    assert "--grpc-use-ssl-mutual=true" in told.splitlines()
    assert SECRET not in told


def test_the_command_refuses_to_run_without_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "tls")])
    assert end.value.code == 1
    assert "triton_secret_missing" in capsys.readouterr().err
    assert not (tmp_path / "tls").exists()
