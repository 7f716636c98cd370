from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class BackendSettings(BaseSettings):
    """Settings of the backend, from environment variables. `Client` reads those of the samfleet server.

    `label_studio_url` and `label_studio_api_key` are the names that Label Studio's own backends use.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    label_studio_url: str
    label_studio_api_key: SecretStr
    variant: str = Field(validation_alias="SAMFLEET_LABEL_STUDIO_VARIANT")
    task: dict[str, Any] = Field({"kind": "everything"}, validation_alias="SAMFLEET_LABEL_STUDIO_TASK")
    image_hosts: tuple[str, ...] = Field((), validation_alias="SAMFLEET_LABEL_STUDIO_IMAGE_HOSTS")
    basic_auth_user: str | None = None
    basic_auth_pass: SecretStr | None = None
    host: str = Field("127.0.0.1", validation_alias="SAMFLEET_LABEL_STUDIO_HOST")
    port: int = Field(9090, validation_alias="SAMFLEET_LABEL_STUDIO_PORT")

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        if (self.basic_auth_user is None) != (self.basic_auth_pass is None):
            raise ValueError("BASIC_AUTH_USER and BASIC_AUTH_PASS belong together; set both or none of them")
        return self
