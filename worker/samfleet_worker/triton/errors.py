"""Errors between the worker and Triton, and the table that maps Triton's errors to them.

| error | at fault | what follows |
|---|---|---|
| TritonUnavailable | nobody | another server is tried; then the shard is released, uncounted |
| TritonTimeout | the server or an image | the shard is tried again |
| InferenceFailed | the server or the image | the shard is tried again; later such an image is recorded as failed |
| InferenceRejected | the image | its row has the error |
| ModelNotLoaded | nobody | the worker loads the variant and repeats the request |
| ModelProcessDied | the server or an image | it is restarted and the request is repeated; then the shard is released |
| VariantWaits | nobody | the shard is released, uncounted, until there is room |
| ReplyMixedUp | the client or a proxy | the shard is tried again |
| WireMismatch | the deployment | the shard is tried again, because one part may be updated before the other |
| VariantLoadFailed, TritonRefused | the deployment | the run fails with Triton's reason |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tritonclient.utils import InferenceServerException

from samfleet.errors import InvalidInput, SamfleetError, Unavailable
from samfleet.wire.tensors import WireMismatch


class TritonUnavailable(Unavailable):
    """Triton does not answer or is not ready."""

    code = "triton_unavailable"


class TritonTimeout(Unavailable):
    """Triton did not answer in time; raise SAMFLEET_TRITON_TIMEOUT if images of this size need longer."""

    code = "triton_timeout"


class InferenceFailed(Unavailable):
    """Triton had an internal error during the segmentation."""

    code = "inference_failed"


class InferenceRejected(InvalidInput):
    """Triton does not accept this request."""

    code = "inference_rejected"


class ModelNotLoaded(Unavailable):
    """The variant is not loaded on this server."""

    code = "model_not_loaded"


class ModelProcessDied(Unavailable):
    """The process that serves the variant inside Triton has died, and Triton does not restart it."""

    code = "model_process_died"


class ReplyMixedUp(SamfleetError):
    """A reply belongs to another request. Its masks are dropped; report this, and what is between worker and Triton."""

    code = "reply_mixed_up"


class VariantWaits(Unavailable):
    """Triton has no room for the variant next to the busy ones; its shards wait until it has."""

    code = "variant_waits"


class VariantLoadFailed(SamfleetError):
    """Triton cannot load the variant."""

    code = "variant_load_failed"


class TritonRefused(SamfleetError):
    """The server at this address refuses our requests; check SAMFLEET_POOLS and what is in front of Triton."""

    code = "triton_refused"


BY_STATUS: Mapping[str, type[SamfleetError]] = {
    "OK": InferenceFailed,  # an exception with this status contradicts itself
    "CANCELLED": TritonUnavailable,  # the server is shutting down
    "UNKNOWN": InferenceFailed,
    "INVALID_ARGUMENT": InferenceRejected,
    "DEADLINE_EXCEEDED": TritonTimeout,
    "NOT_FOUND": ModelNotLoaded,
    "ALREADY_EXISTS": InferenceFailed,
    "PERMISSION_DENIED": TritonRefused,
    "RESOURCE_EXHAUSTED": InferenceFailed,
    "FAILED_PRECONDITION": InferenceFailed,
    "ABORTED": TritonUnavailable,
    "OUT_OF_RANGE": InferenceRejected,
    "UNIMPLEMENTED": TritonRefused,  # a gRPC server, but not Triton
    "INTERNAL": InferenceFailed,
    "UNAVAILABLE": TritonUnavailable,
    "DATA_LOSS": InferenceFailed,
    "UNAUTHENTICATED": TritonRefused,
}
# Triton sends these with several statuses, which differ between versions (src/core of triton-inference-server).
BY_MESSAGE: Mapping[str, type[SamfleetError]] = {
    "unknown model": ModelNotLoaded,
    "is not ready": ModelNotLoaded,
    "has no available versions": ModelNotLoaded,
    "stub process": ModelProcessDied,  # the Python backend's process died; Triton never starts another (2.51)
    "is not healthy": ModelProcessDied,
    "exceeds maximum queue size": TritonUnavailable,
    "model is unloading": TritonUnavailable,
    # the tensors of another release, which is no fault of an image
    "missing required input": WireMismatch,
    "unexpected inference input": WireMismatch,
    "data-type is": WireMismatch,
    "wire_mismatch": WireMismatch,
}

# Messages of a load without enough memory: of our backend's check, CUDA's and the system's allocator.
MEMORY_WORDS = ("device_memory_short", "out of memory", "cannot allocate memory")


# Text of Triton and pybind11 around an error from a Python backend's `initialize`; seen with 2.51.
LOAD_PREFIX = re.compile(
    r"load failed for model '[^']*': version \d+ is at UNAVAILABLE state: (Internal: )?(TritonModelException: )?"
)
TRACEBACK = re.compile(r"\n\s*At:\n.*", re.DOTALL)


def is_out_of_memory(error: InferenceServerException) -> bool:
    lowered = str(error.message() or error).lower()
    return any(words in lowered for words in MEMORY_WORDS)


def status_name(error: InferenceServerException) -> str:
    """Return `UNAVAILABLE` for tritonclient's `StatusCode.UNAVAILABLE`; empty for errors of the client itself."""
    return str(error.status() or "").rpartition(".")[2]


def message_of(error: InferenceServerException) -> str:
    """Return Triton's message without the traceback that a Python backend adds, which is for the log."""
    return TRACEBACK.sub("", str(error.message() or error)).strip()


def from_triton(error: InferenceServerException, address: str) -> SamfleetError:
    message = message_of(error)
    lowered = message.lower()
    kind = next((kind for words, kind in BY_MESSAGE.items() if words in lowered), None)
    kind = kind or BY_STATUS.get(status_name(error), InferenceFailed)
    return kind(f"Triton at {address}: {message}")


@contextmanager
def mapped_errors(address: str) -> Iterator[None]:
    try:
        yield
    except InferenceServerException as error:
        raise from_triton(error, address) from error


@contextmanager
def mapped_control_errors(address: str) -> Iterator[None]:
    """Map errors of queries that a server handles in memory: one that takes too long for them is away."""
    try:
        with mapped_errors(address):
            yield
    except TritonTimeout as error:
        raise TritonUnavailable(f"Triton at {address} does not answer") from error


def from_load(error: InferenceServerException, address: str, variant: str) -> SamfleetError:
    """Map the error of a failed load: a server that is away is worth another try, other errors are final."""
    mapped = from_triton(error, address)
    if isinstance(mapped, TritonUnavailable | TritonTimeout) and status_name(error) in {
        "UNAVAILABLE",
        "CANCELLED",
        "ABORTED",
        "DEADLINE_EXCEEDED",
    }:
        return mapped
    reason = LOAD_PREFIX.sub("", message_of(error)).rstrip("; \n")
    return VariantLoadFailed(f"Triton at {address} cannot load variant {variant}: {reason}")
