"""Inputs of requests to Triton."""

from __future__ import annotations

from collections.abc import Sequence

from tritonclient.grpc import InferInput

from samfleet.wire.messages import SegmentRequest
from samfleet.wire.tensors import pack_requests


def tensors_of(requests: Sequence[SegmentRequest]) -> list[InferInput]:
    """Return the inputs of a request to Triton with these images."""
    inputs = []
    for name, column in pack_requests(requests).items():
        tensor = InferInput(name, list(column.shape), "BYTES")
        tensor.set_data_from_numpy(column)
        inputs.append(tensor)
    return inputs
