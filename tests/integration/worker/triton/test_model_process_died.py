"""A dead model process and missing weights on a real Triton, as seen by the worker."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.models.shared_data import weights_dir
from fixtures.servers.model_processes import kill_process_of, picture, processes_of
from fixtures.servers.triton import running_triton
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton.client import TritonSegmenter, connect
from samfleet_worker.triton.errors import ModelProcessDied, VariantLoadFailed

MINUTES = timedelta(minutes=5)
NOBODY: frozenset[str] = frozenset()
PATIENCE_SECONDS = 120

# A model that refuses to load while MOST others are loaded, as on a full device.
SMALL_MODEL = """
import glob, os, time
import numpy as np
import triton_python_backend_utils as pb_utils

PLACES = {places!r}

class TritonPythonModel:
    def initialize(self, args):
        self.place = os.path.join(PLACES, args["model_name"])
        if len(glob.glob(os.path.join(PLACES, "*"))) >= {most}:
            raise pb_utils.TritonModelException("device_memory_short: 1 MB is free and 2 MB are needed")
        open(self.place, "w").close()

    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.zeros((1,), np.float32))]) for _ in requests]

    def finalize(self):
        os.remove(self.place)
"""
SMALL_CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 0
input {{ name: "X", data_type: TYPE_FP32, dims: [ 1 ] }}
output {{ name: "Y", data_type: TYPE_FP32, dims: [ 1 ] }}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
"""


def test_a_dead_process_is_detected_by_requests_and_reported_until_revived(tmp_path: Path) -> None:
    """With a real variant, the server is not ready meanwhile, and a second client that revives it finds it alive."""
    request = SegmentRequest(picture(), EverythingParameters(points_per_side=1))
    with (
        running_triton(tmp_path, weights_dir(), ["mobile_sam"]) as command,
        closing(TritonSegmenter([f"127.0.0.1:{command.grpc_port}"], MINUTES)) as segmenter,
    ):
        segmenter.segment("mobile_sam", request)
        kill_process_of("mobile_sam_0_0", command.backends)
        asked_at = time.monotonic()
        with pytest.raises(ModelProcessDied):
            segmenter.segment("mobile_sam", request)
        (status,) = segmenter.status()
        assert (status.ready, status.died) == (False, ("mobile_sam",))
        segmenter.revive("mobile_sam", NOBODY, asked_at)
        loads = processes_of("mobile_sam_0_0", command.backends)
        segmenter.revive("mobile_sam", NOBODY, asked_at)  # by elapsed time
        segmenter.revive("mobile_sam", NOBODY, time.monotonic())  # by a request
        assert processes_of("mobile_sam_0_0", command.backends) == loads
        segmenter.segment("mobile_sam", request)
        assert segmenter.status()[0].ready


def test_missing_weights_are_reported_for_a_while(tmp_path: Path) -> None:
    with (
        running_triton(tmp_path, tmp_path, []) as command,
        closing(TritonSegmenter([f"127.0.0.1:{command.grpc_port}"], MINUTES)) as segmenter,
        closing(connect(command.address, None)) as client,
    ):
        with pytest.raises(VariantLoadFailed, match="samfleet variants pull mobile_sam"):
            segmenter.load("mobile_sam", NOBODY)
        (status,) = segmenter.status()
        assert list(status.without_weights) == ["mobile_sam"]
        assert (status.ready, client.is_server_ready()) == (True, True)  # a failed load makes no server unready
