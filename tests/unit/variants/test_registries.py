from __future__ import annotations

from pathlib import Path

import pytest

from samfleet.variants.weights.registries import NPM, PYPI, PipConfig, Registries, parse_pip_config


def test_the_defaults_are_the_public_registries() -> None:
    assert parse_pip_config("") == PipConfig((PYPI,), (), None, None)


def test_the_environment_precedes_the_command_and_the_command_the_rest() -> None:
    listing = r"""
:env:.find-links='/wheels /more'
:env:.disable-pip-version-check='1'
download.index-url='https://download/simple/'
global.index-url='https://global/simple'
global.find-links='/not/these'
global.extra-index-url='https://extra/simple\nfile:///local/simple'
global.cert='/ca.pem'
global.proxy='http://proxy:3128'
"""
    assert parse_pip_config(listing) == PipConfig(
        ("https://download/simple", "https://extra/simple", "file:///local/simple"),
        ("/wheels", "/more"),
        "/ca.pem",
        "http://proxy:3128",
    )


def test_no_index_keeps_find_links() -> None:
    listing = "global.no-index='true'\nglobal.find-links='/wheels'"
    assert parse_pip_config(listing) == PipConfig((), ("/wheels",))


def test_the_configuration_of_pip_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nextra-index-url = https://extra/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    pip = Registries().pip
    assert pip.index_urls == ("https://mirror/simple", "https://extra/simple")
    assert pip.find_links == (str(tmp_path),)


def test_the_configuration_of_npm_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in for npm prints what npm prints, including the scope."""
    program = tmp_path / "npm"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$3" = registry ] && echo https://mirror/npm/\n'
        '[ "$3" = @mine:registry ] && echo https://mine/npm && exit\n'
        '[ "$3" = @other:registry ] && echo undefined\n'
        "exit 0\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert Registries().npm_registry("plain") == "https://mirror/npm"
    assert Registries().npm_registry("@mine/package") == "https://mine/npm"
    assert Registries().npm_registry("@other/package") == "https://mirror/npm"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert Registries().npm_registry("plain") == NPM
