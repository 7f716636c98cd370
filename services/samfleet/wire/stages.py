"""Stages of an image's time, in their order, defined once for backend, worker, rollups, reports, CLI and dashboard."""

from __future__ import annotations

from typing import Literal, get_args

Stage = Literal["queue", "fetch", "preprocess", "encode", "decode", "postprocess", "store"]
BackendStage = Literal["preprocess", "encode", "decode", "postprocess"]

STAGES: tuple[Stage, ...] = get_args(Stage)
BACKEND_STAGES: tuple[BackendStage, ...] = get_args(BackendStage)  # timed inside Triton
HOST_STAGES: frozenset[BackendStage] = frozenset({"preprocess"})  # decoding and resizing run on the host in any case
DEVICE_STAGES = tuple(stage for stage in BACKEND_STAGES if stage not in HOST_STAGES)  # timed by CUDA events on a GPU
IMAGE = "image"  # the sum of all stages but the queue: the cost of an image
MODEL = "model"  # the sum of the stages inside Triton: what papers call the latency of a model
