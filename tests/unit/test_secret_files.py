from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from samfleet.config import Settings
from samfleet.secret_files import SECRETS, SecretFileUnreadable, file_variable

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s" * 32


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, secret_file: Path, name: str) -> None:
    monkeypatch.setenv(file_variable(name), str(secret_file))

    settings = Settings()

    assert getattr(settings, name) == SECRET
    assert name in settings.model_fields_set


def test_the_variable_with_the_value_has_precedence(monkeypatch: pytest.MonkeyPatch, secret_file: Path) -> None:
    monkeypatch.setenv("SAMFLEET_TRITON_SECRET_FILE", str(secret_file))
    monkeypatch.setenv("SAMFLEET_TRITON_SECRET", "t" * 24)

    assert Settings().triton_secret == "t" * 24


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_TRITON_SECRET_FILE", "")

    assert Settings().triton_secret is None


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"\n", "must hold one line"), (b"a\nb", "must hold one line"), (b"\xff\xfe", "UTF-8")],
)
def test_a_file_without_a_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SAMFLEET_TRITON_SECRET_FILE", str(path))

    with pytest.raises(SecretFileUnreadable, match=words) as refused:
        Settings()
    assert refused.value.code == "secret_file_unreadable"
    assert "SAMFLEET_TRITON_SECRET_FILE" in refused.value.message


def test_a_secret_of_a_file_is_checked_like_any_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    monkeypatch.setenv("SAMFLEET_BOOTSTRAP_API_KEY_FILE", str(tmp_path / "key"))

    with pytest.raises(ValidationError, match="24 or more"):
        Settings()


def test_every_file_variable_is_documented() -> None:
    document = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert not [name for name in SECRETS if f"`{file_variable(name)}`" not in document]
