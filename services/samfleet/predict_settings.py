"""Settings of `POST /v1/predict`, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from samfleet.setting_values import parse_seconds


class PredictSettings(BaseSettings):
    predict_timeout: Annotated[timedelta, BeforeValidator(parse_seconds)] = Field(
        default=timedelta(seconds=60), gt=timedelta(0), description="Longest wait of a prediction for its reply."
    )
    max_predict_image_bytes: int = Field(
        default=16 * 2**20,
        ge=1,
        description="Largest image file of a prediction; each one in flight is in Redis until a worker takes it.",
    )
    predictions_in_flight: int = Field(
        default=4,
        ge=1,
        description="Predictions that one API process waits for at a time, and that one worker process carries out.",
    )
