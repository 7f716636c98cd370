"""A dead model process and missing weights on a real Triton, as seen by the worker."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fixtures.models.fixed_variants import add_fixed_variants
from fixtures.servers.model_processes import kill_process_of, picture, processes_of
from fixtures.servers.triton import running_triton
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton.client import TritonSegmenter, connect
from samfleet_worker.triton.errors import ModelProcessDied, VariantLoadFailed

MINUTES = timedelta(minutes=5)
NOBODY: frozenset[str] = frozenset()


def test_a_dead_process_is_detected_by_requests_and_reported_until_revived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is not ready meanwhile, and a second client that revives the variant finds it alive.

    The variant has no model: its process is that of any variant.
    """
    own = add_fixed_variants(monkeypatch, tmp_path, "still")
    request = SegmentRequest(picture(), EverythingParameters(points_per_side=1))
    with (
        running_triton(
            tmp_path, own.weights, ["still"], repository=own.repository, extra_env=own.environment
        ) as command,
        closing(TritonSegmenter([f"127.0.0.1:{command.grpc_port}"], MINUTES)) as segmenter,
    ):
        segmenter.segment("still", [request])
        kill_process_of("still_0_0", command.backends)
        asked_at = time.monotonic()
        with pytest.raises(ModelProcessDied):
            segmenter.segment("still", [request])
        (status,) = segmenter.status()
        assert (status.ready, status.died) == (False, ("still",))
        segmenter.revive("still", NOBODY, asked_at)
        loads = processes_of("still_0_0", command.backends)
        segmenter.revive("still", NOBODY, asked_at)  # by elapsed time
        segmenter.revive("still", NOBODY, time.monotonic())  # by a request
        assert processes_of("still_0_0", command.backends) == loads
        segmenter.segment("still", [request])
        assert segmenter.status()[0].ready


def test_missing_weights_are_named_and_reported_for_a_while(tmp_path: Path) -> None:
    """The traceback stays in the log."""
    weights = tmp_path / "weights"
    weights.mkdir()
    with (
        running_triton(tmp_path, weights, []) as command,
        closing(TritonSegmenter([f"127.0.0.1:{command.grpc_port}"], MINUTES)) as segmenter,
        closing(connect(command.address, None)) as client,
    ):
        with pytest.raises(VariantLoadFailed) as raised, capture_logs() as logged:
            segmenter.load("mobile_sam", NOBODY)
        (status,) = segmenter.status()
        assert list(status.without_weights) == ["mobile_sam"]
        assert (status.ready, client.is_server_ready()) == (True, True)  # a failed load makes no server unready
    assert raised.value.message.partition("mobile_sam: ")[2] == (
        f"checkpoint_missing: {weights}/mobile_sam.pt does not exist; run `samfleet variants pull mobile_sam`"
    )
    [line] = [line for line in logged if line["event"] == "variant.load_failed"]
    assert "model.py" in line["said"]
