from __future__ import annotations

import grpc
import pytest
from tritonclient.utils import InferenceServerException

from samfleet.errors import SamfleetError
from samfleet.wire.tensors import WireMismatch
from samfleet_worker.triton import errors
from samfleet_worker.triton.errors import (
    BY_MESSAGE,
    BY_STATUS,
    InferenceFailed,
    InferenceRejected,
    ModelNotLoaded,
    ModelProcessDied,
    ReplyMixedUp,
    TritonUnavailable,
    VariantLoadFailed,
    VariantWaits,
    from_load,
    from_triton,
    is_out_of_memory,
    mapped_control_errors,
)


def said(message: str, status: str | None = None) -> InferenceServerException:
    return InferenceServerException(message, status=f"StatusCode.{status}" if status else None)


@pytest.mark.parametrize("status", [status.name for status in grpc.StatusCode])
def test_every_grpc_status_is_mapped(status: str) -> None:
    assert type(from_triton(said("words", status), "triton:8001")) is BY_STATUS[status]


def test_the_table_names_only_existing_statuses() -> None:
    assert set(BY_STATUS) == {status.name for status in grpc.StatusCode}


def test_every_mapped_error_is_in_our_tree_and_raised_from_the_table() -> None:
    ours = {kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__}
    assert all(issubclass(kind, SamfleetError) for kind in ours)
    assert ours - {*BY_STATUS.values(), *BY_MESSAGE.values()} == {ReplyMixedUp, VariantLoadFailed, VariantWaits}


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [
        ("Request for unknown model: 'mobile_sam' is not found", "UNAVAILABLE", ModelNotLoaded),
        ("Request for unknown model: 'mobile_sam' is not found", "NOT_FOUND", ModelNotLoaded),
        ("Request for unknown model: 'mobile_sam' has no available versions", "UNAVAILABLE", ModelNotLoaded),
        ("Stub process 'mobile_sam_0_0' is not healthy.", "INTERNAL", ModelProcessDied),
        ("failed to connect to all addresses", "UNAVAILABLE", TritonUnavailable),
        ("Failed to process the request(s) for model 'mobile_sam', message: boom", "INTERNAL", InferenceFailed),
        ("unexpected shape for input 'IMAGE'", "INVALID_ARGUMENT", InferenceRejected),
        ("unexpected inference input 'BOXES' for model 'mobile_sam'", "INVALID_ARGUMENT", WireMismatch),
        ("a mistake of the client itself", None, InferenceFailed),
    ],
)
def test_messages_of_triton_are_mapped_to_errors(message: str, status: str | None, kind: type[SamfleetError]) -> None:
    mapped = from_triton(said(message, status), "triton:8001")
    assert type(mapped) is kind
    assert mapped.message == f"Triton at triton:8001: {message}"


FAILED = "load failed for model 'mobile_sam': version 1 is at UNAVAILABLE state: Internal: "


def test_a_failed_load_is_permanent_unless_the_server_is_unreachable() -> None:
    failed = from_load(said(FAILED + "checkpoint is not ready", "INTERNAL"), "triton:8001", "mobile_sam")
    assert isinstance(failed, VariantLoadFailed)
    assert failed.message == "Triton at triton:8001 cannot load variant mobile_sam: checkpoint is not ready"
    assert isinstance(from_load(said("connection refused", "UNAVAILABLE"), "a", "v"), TritonUnavailable)
    assert from_load(said("too slow", "DEADLINE_EXCEEDED"), "a", "v").retryable


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        (
            "TritonModelException: checkpoint_missing: a.pt is missing; pull it",
            "checkpoint_missing: a.pt is missing; pull it",
        ),
        ("RuntimeError: two\nlines", "RuntimeError: two\nlines"),
    ],
)
def test_a_failed_load_shows_the_backend_message_without_a_traceback(raised: str, shown: str) -> None:
    words = f"{FAILED}{raised}\n\nAt:\n  /opt/backends/sam/model.py(50): initialize\n;\n"
    assert from_load(said(words, "INTERNAL"), "a", "v").message == f"Triton at a cannot load variant v: {shown}"


def test_a_failed_request_shows_no_traceback() -> None:
    words = "Failed to process the request(s) for model 'v', message: ValueError: no\n\nAt:\n  model.py(60): execute\n"
    failed = from_triton(said(words, "INTERNAL"), "a")
    assert failed.message == "Triton at a: Failed to process the request(s) for model 'v', message: ValueError: no"


@pytest.mark.parametrize(
    ("reason", "lacks"),
    [
        ("device_memory_short: cuda has 1 MB free", True),
        ("CUDA out of memory. Tried to allocate 20 MiB", True),
        ("OSError: [Errno 12] Cannot allocate memory", True),
        ("checkpoint_missing: mobile_sam.pt does not exist", False),
    ],
)
def test_loads_that_lacked_memory_are_recognised(reason: str, lacks: bool) -> None:
    assert is_out_of_memory(said(f"load failed for model 'v': {reason}", "INTERNAL")) is lacks


def test_a_server_that_does_not_respond_to_a_control_request_is_unreachable() -> None:
    with pytest.raises(TritonUnavailable, match="t:8001 does not answer"), mapped_control_errors("t:8001"):
        raise InferenceServerException("Deadline Exceeded", "StatusCode.DEADLINE_EXCEEDED")
