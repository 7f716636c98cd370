"""Settings of the embedded stack only. Settings of all processes are in `samfleet.config`."""

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
    "triton_grpc",
    "triton_metrics",
    "control_metrics",
    "worker_metrics",
)
Port = Annotated[int, Field(ge=1, le=65535)]


class StackSettings(BaseSettings):
    """Settings of the embedded stack. For an unset port, a free one is chosen, preferably that of the last start."""

    model_config = SettingsConfigDict(env_prefix="SAMFLEET_", extra="ignore", frozen=True)

    state_dir: Path = Field(default=Path(".samfleet"), description="Folder of all files that `samfleet up` writes.")
    api_port: Port | None = Field(default=None, description="Port of the embedded API.")
    postgres_port: Port | None = Field(default=None, description="Port of the embedded PostgreSQL.")
    redis_port: Port | None = Field(default=None, description="Port of the embedded Redis.")
    triton: Literal["embedded", "container", "auto"] = Field(
        default="embedded",
        description="The Triton of `samfleet up`: the server of the wheel, one in a container, or `auto`, a container "
        "if Docker or podman has the image.",
    )
    triton_image: str | None = Field(
        default=None, description="Image of Triton's container; by default `samfleet-triton-gpu` of this release."
    )
    triton_grpc_port: Port | None = Field(default=None, description="Port of Triton in a container.")
    triton_metrics_port: Port | None = Field(default=None, description="Prometheus port of this Triton.")
    worker_metrics_port: Port | None = Field(
        default=None, description="Prometheus port of the embedded worker; workers of further pools get free ports."
    )
    control_metrics_port: Port | None = Field(
        default=None, description="Prometheus port of the embedded control worker."
    )
    parts: Literal["all", "worker"] = Field(
        default="all",
        description="The parts that `samfleet up` starts: `worker` is Triton and the worker of SAMFLEET_POOL, for a "
        "stack elsewhere.",
    )
    variants: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("mobile_sam",),
        description="Variants whose weights `samfleet up` downloads and loads at start, separated by commas.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Device of this Triton.")
    execution: str = Field(
        default="fp32",
        description="Precision and compilation: `bf16`, `mobile_sam=bf16,*=fp32`. All except fp32 need a passed gate.",
    )
    gates_dir: Path | None = Field(
        default=None, description="Folder of gates; by default `gates` in the state directory."
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
