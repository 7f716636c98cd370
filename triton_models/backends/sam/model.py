"""The Python-based Triton backend `sam`. Every variant's model uses it and names its variant in its parameters.

Settings come from the environment: SAMFLEET_WEIGHTS_DIR (required), SAMFLEET_DEVICE (auto, cpu, cuda), SAMFLEET_THREADS
(torch's threads on the CPU), SAMFLEET_KERNELS (instruction set of the CPU kernels), SAMFLEET_MAX_PIXELS,
SAMFLEET_MAX_PROMPTS_PER_IMAGE, SAMFLEET_MAX_MASK_BYTES and SAMFLEET_DECODE_PIXELS (limits of one image),
SAMFLEET_EXECUTION (precision and compilation by variant), SAMFLEET_GATES_DIR (folder of the gates; without a gate only
fp32 is served), SAMFLEET_MEMORY_KEPT_FREE (bytes), SAMFLEET_GPU_MEMORY_SHARE (share of the GPU's memory for a variant's
process), SAMFLEET_ACCEPT_LICENSES (restricted licences of weights that may be loaded) and SAMFLEET_VARIANTS_DIR (the
user's own variants).
"""

from __future__ import annotations

# ruff: noqa: E402 — the packages are imported after their folders are on the path
import gc
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

# Triton's stub starts Python isolated, without PYTHONPATH, which has the folders of a checkout's packages.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path and path not in sys.path]

from samfleet.errors import SamfleetError, describe
from samfleet.licences import SETTING, parse_accepted
from samfleet.limits import MAX_MASK_BYTES, MAX_PROMPTS_PER_IMAGE
from samfleet.variants.catalogue import VARIANTS, add_variants_of, get_variant
from samfleet.variants.execution import Executions
from samfleet.variants.record import VariantRecord
from samfleet.wire.tensors import INPUTS, Arrays, WireMismatch
from samfleet_models.batching.cancellation import Cancellation, RequestCancelled
from samfleet_models.device.gpu_memory import limit_memory, parse_share
from samfleet_models.device.hardware import choose_device
from samfleet_models.device.memory import (
    DeviceMemoryShort,
    NotEnoughMemory,
    attempt,
    check_free_memory,
    leaves_device_unusable,
)
from samfleet_models.images.decode import DEFAULT_DECODE_PIXELS, DEFAULT_MAX_PIXELS
from samfleet_models.serving.engine import Engine, EngineSettings
from samfleet_models.serving.handler import serve
from samfleet_models.serving.utf8 import use_utf8


class TritonPythonModel:
    _failure = SamfleetError()  # error of the last batch that ended early
    _device_lost = False

    def initialize(self, args: dict[str, str]) -> None:
        use_utf8()
        parameters = json.loads(args["model_config"])["parameters"]
        own = os.environ.get("SAMFLEET_VARIANTS_DIR")
        try:
            add_variants_of(Path(own) if own else None)
            record = get_variant(parameters["variant"]["string_value"])
            record.require_accepted(parse_accepted(os.environ.get(SETTING, "")))
            weights = Path(os.environ["SAMFLEET_WEIGHTS_DIR"])
            self._engine = _load(record, weights / record.checkpoint.filename, _settings(args, record.name))
        except SamfleetError as error:
            raise pb_utils.TritonModelException(f"{error.code}: {error.message}") from error
        gc.freeze()  # a collection need not visit the libraries' and the model's objects
        hardware = self._engine.hardware
        pb_utils.Logger.log_info(
            f"{record.name} serves in {self._engine.execution} on {hardware['device_name']} ({self._engine.device})"
        )
        if self._engine.warmup_seconds is not None:
            pb_utils.Logger.log_info(f"{record.name} was compiled in {self._engine.warmup_seconds:.1f} s")

    def execute(self, requests: list[Any]) -> None:
        """Reply to every request through its own sender, as soon as its result is ready.

        An error of one request is that request's reply. After an error of this program, the remaining requests are
        tried one by one, so that only the one that causes it gets the error.
        """
        senders = {position: request.get_response_sender() for position, request in enumerate(requests)}
        batch = dict(self._readable(requests, senders))
        cancelled = {position: Cancellation(requests[position].is_cancelled) for position in batch}
        self._reply(batch, cancelled, senders)
        for position in list(senders):
            self._reply({position: batch[position]}, cancelled, senders)
            if position in senders:
                _send(senders.pop(position), self._failure)
        if self._device_lost:
            pb_utils.Logger.log_error("the GPU refuses every call of this process after this error; the process exits")
            os._exit(1)  # Triton reloads the model in another process; clean-up could not use the device

    def _reply(self, batch: dict[int, Arrays], cancelled: dict[int, Cancellation], senders: dict[int, Any]) -> None:
        """Serve the batch and remove the sender of each request that got a reply.

        `_failure` explains the remaining ones.
        """
        try:
            for position, outcome in serve(self._engine, batch, cancelled):
                _send(senders.pop(position), outcome)
        except Exception as error:  # noqa: BLE001 — Triton must get a reply to every request
            pb_utils.Logger.log_error(traceback.format_exc())
            self._device_lost |= leaves_device_unusable(error)
            self._failure = SamfleetError(f"{type(error).__name__}: {error}")

    def _readable(self, requests: list[Any], senders: dict[int, Any]) -> Iterator[tuple[int, Arrays]]:
        for position, request in enumerate(requests):
            try:
                yield position, _arrays(request)
            except Exception as error:  # noqa: BLE001 — such as a truncated element of a string tensor
                _send(senders.pop(position), WireMismatch(f"the request's tensors cannot be read: {describe(error)}"))

    def finalize(self) -> None:
        self._engine.close()


def _load(record: VariantRecord, checkpoint: Path, settings: EngineSettings) -> Engine:
    if checkpoint.is_file():  # the engine reports a missing file
        device = choose_device(settings.device, settings.gpu)
        limit_memory(device, parse_share(os.environ.get("SAMFLEET_GPU_MEMORY_SHARE", "")))
        kept_free = int(os.environ.get("SAMFLEET_MEMORY_KEPT_FREE") or 0)
        files = [checkpoint.with_name(file.filename) for file in record.companions.values()]
        weights_bytes = sum(file.stat().st_size for file in (checkpoint, *files) if file.is_file())
        check_free_memory(weights_bytes, device, kept_free)
    engine = attempt(lambda: Engine(record, checkpoint, settings))
    if isinstance(engine, NotEnoughMemory):
        raise DeviceMemoryShort(f"{DeviceMemoryShort.__doc__} ({engine.message})")
    return engine


def _settings(args: dict[str, str], variant: str) -> EngineSettings:
    threads, gates = os.environ.get("SAMFLEET_THREADS"), os.environ.get("SAMFLEET_GATES_DIR")
    return EngineSettings(
        device=os.environ.get("SAMFLEET_DEVICE") or "auto",
        gpu=int(args["model_instance_device_id"]) if args["model_instance_kind"] == "GPU" else 0,
        threads=int(threads) if threads else None,
        kernels=os.environ.get("SAMFLEET_KERNELS") or None,
        max_pixels=int(os.environ.get("SAMFLEET_MAX_PIXELS") or DEFAULT_MAX_PIXELS),
        max_prompts=int(os.environ.get("SAMFLEET_MAX_PROMPTS_PER_IMAGE") or MAX_PROMPTS_PER_IMAGE),
        max_mask_bytes=int(os.environ.get("SAMFLEET_MAX_MASK_BYTES") or MAX_MASK_BYTES),
        decode_pixels=int(os.environ.get("SAMFLEET_DECODE_PIXELS") or DEFAULT_DECODE_PIXELS),
        triton_version=os.environ.get("TRITON_SERVER_VERSION"),
        execution=Executions.parse(os.environ.get("SAMFLEET_EXECUTION", ""), VARIANTS).of(variant),
        gates_dir=Path(gates) if gates else None,
    )


def _arrays(request: Any) -> Arrays:
    return {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in INPUTS}


def _send(sender: Any, outcome: Arrays | SamfleetError) -> None:
    sender.send(_response(outcome), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _response(outcome: Arrays | SamfleetError) -> Any:
    if isinstance(outcome, RequestCancelled):
        cancelled = pb_utils.TritonError(f"{outcome.code}: {outcome.message}", pb_utils.TritonError.CANCELLED)
        return pb_utils.InferenceResponse(error=cancelled)
    if isinstance(outcome, SamfleetError):
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{outcome.code}: {outcome.message}"))
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outcome.items()])
