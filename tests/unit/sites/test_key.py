from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from samfleet.config import Settings
from samfleet.sites.key import SiteKeyUnusable, fingerprint, is_signed, open_key, read_key


def test_concurrent_requests_create_one_key(tmp_path: Path) -> None:
    path = tmp_path / "site" / "key.pem"
    with ThreadPoolExecutor(8) as threads:
        keys = {key.public for key in threads.map(lambda _: open_key(path), range(32))}
    assert len(keys) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key.pem"]


def test_a_signature_verifies_only_with_its_key_and_digest(tmp_path: Path) -> None:
    key, other = open_key(tmp_path / "a"), open_key(tmp_path / "b")
    signature = key.sign(b"d" * 32)
    assert is_signed(key.public, b"d" * 32, signature)
    assert not is_signed(other.public, b"d" * 32, signature)
    assert not is_signed(key.public, b"e" * 32, signature)
    assert not is_signed("0" * 64, b"d" * 32, signature)
    assert fingerprint(key.public) != fingerprint(other.public)
    assert len(fingerprint(key.public)) == 32


def test_a_file_without_a_valid_key_is_reported_and_kept(tmp_path: Path) -> None:
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"no key", other):
        path = tmp_path / "key.pem"
        path.write_bytes(content)
        with pytest.raises(SiteKeyUnusable):
            open_key(path)
        assert path.read_bytes() == content
    assert read_key(tmp_path / "missing.pem") is None
    with pytest.raises(SiteKeyUnusable, match="SAMFLEET_SITE_KEY_FILE"):
        open_key(path / "below-a-file.pem")


def test_clients_of_the_api_do_not_see_the_path_of_the_key(tmp_path: Path) -> None:
    """Clients see the messages of errors."""
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path, file / "key.pem"):  # a folder cannot be read, and nothing can be created below a file
        with pytest.raises(SiteKeyUnusable, match="SAMFLEET_SITE_KEY_FILE") as found:
            open_key(path)
        assert str(tmp_path) not in str(found.value)


def test_a_site_name_must_be_valid_and_not_local() -> None:
    assert Settings(site="H200-lab.2").site == "H200-lab.2"
    assert Settings(site="").site is None
    for name in ("local", "Local", "a b", "../x", "-x", "x" * 65, "ä"):
        with pytest.raises(ValueError, match="cannot be the name of a site"):
            Settings(site=name)
