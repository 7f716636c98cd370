"""Settings of the embedded stack alone; those every process shares are in `samfleet.config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from samfleet.setting_values import drop_service_link

PORT_NAMES = (
    "api",
    "postgres",
    "redis",
    "triton_metrics",
    "control_metrics",
    "worker_metrics",
)
Port = Annotated[int, Field(ge=1, le=65535)]


class StackSettings(BaseSettings):
    """A port that is not set is a free one, the same as at the last start while that is still free."""

    model_config = SettingsConfigDict(env_prefix="SAMFLEET_", extra="ignore", frozen=True)

    state_dir: Path = Field(default=Path(".samfleet"), description="Where `samfleet up` keeps everything it writes.")
    api_port: Port | None = Field(default=None, description="Port of the embedded API.")
    postgres_port: Port | None = Field(default=None, description="Port of the embedded PostgreSQL.")
    redis_port: Port | None = Field(default=None, description="Port of the embedded Redis.")
    triton_metrics_port: Port | None = Field(default=None, description="Prometheus port of the embedded Triton.")
    worker_metrics_port: Port | None = Field(
        default=None, description="Prometheus port of the embedded worker; those of further pools are free ones."
    )
    control_metrics_port: Port | None = Field(
        default=None, description="Prometheus port of the embedded control worker."
    )
    variants: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("mobile_sam",),
        description="Variants that `samfleet up` fetches the weights of and loads at start, separated by commas.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where the embedded Triton computes.")
    execution: str = Field(
        default="fp32",
        description="Precision and compilation: `bf16`, `mobile_sam=bf16,*=fp32`. All but fp32 need a passed gate.",
    )
    gates_dir: Path | None = Field(
        default=None, description="Where gates lie; without it `gates` in the state directory."
    )

    @field_validator(*(f"{name}_port" for name in PORT_NAMES), mode="before")
    @classmethod
    def _ignore_service_link(cls, value: Any) -> Any:
        return drop_service_link(value)

    @field_validator("variants", mode="before")
    @classmethod
    def _parse_variants(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    def fixed_ports(self) -> dict[str, int]:
        ports = {name: getattr(self, f"{name}_port") for name in PORT_NAMES}
        return {name: port for name, port in ports.items() if port is not None}
