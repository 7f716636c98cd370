"""Secrets from files: `SAMFLEET_NAME_FILE` names a file with the value of `SAMFLEET_NAME`.

Orchestrators mount secrets as files, because every program that may inspect a container can read its variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from samfleet.errors import SamfleetError

SECRETS = ("database_url", "broker_url", "triton_secret", "bootstrap_api_key")
_MOST_BYTES = 64 * 2**10


class SecretFileUnreadable(SamfleetError):
    """A file that a `SAMFLEET_…_FILE` variable names cannot be read, or holds no secret."""

    code = "secret_file_unreadable"


class SecretFileSource(PydanticBaseSettingsSource):
    """Source of the settings in `SECRETS`. A variable with the value itself has precedence."""

    def __init__(self, settings: type[BaseSettings], environment: Mapping[str, str] | None = None) -> None:
        super().__init__(settings)
        self._environment = os.environ if environment is None else environment

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        path = self._environment.get(file_variable(field_name))
        return (_read(file_variable(field_name), Path(path)) if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(self.settings_cls.model_fields[name], name)[0] for name in SECRETS}
        return {name: value for name, value in found.items() if value is not None}


class SecretFiles(BaseSettings):
    """Settings whose secrets may come from files."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, first the one that has precedence."""
        return init_settings, env_settings, dotenv_settings, file_secret_settings, SecretFileSource(settings_cls)


def file_variable(name: str) -> str:
    return f"SAMFLEET_{name.upper()}_FILE"


def _read(variable: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.read(_MOST_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SecretFileUnreadable(f"{variable} names {path}, which cannot be read: {reason}") from error
    if not secret or "\n" in secret:
        raise SecretFileUnreadable(f"{variable} names {path}, which must hold one line, the secret")
    return secret
