"""Client of samfleet's REST API for programs and notebooks. Needs neither torch nor servers.

    from samfleet.client import Client

    with Client() as client:
        for result in client.segment("photos/", "mobile_sam"):
            print(result.file_name, result.masks.shape)

May import `datasets`, `masks`, `variants` and below, without the database and the object store.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samfleet.client.address import ApiKeyMissing, StackNotRunning
    from samfleet.client.async_client import AsyncClient
    from samfleet.client.async_segmentation import AsyncSegmentation
    from samfleet.client.frames import FrameSteps
    from samfleet.client.images import ImagesInvalid
    from samfleet.client.predicted import Prediction
    from samfleet.client.results import SegmentResult
    from samfleet.client.segmentation import Segmentation
    from samfleet.client.segmenting import JobCancelled, Progress
    from samfleet.client.sync_client import Client
    from samfleet.client.transport import ApiError, ApiUnreachable
    from samfleet.client.wait import JobFailed

_MODULES = {
    "ApiError": "transport",
    "ApiKeyMissing": "address",
    "ApiUnreachable": "transport",
    "AsyncClient": "async_client",
    "AsyncSegmentation": "async_segmentation",
    "Client": "sync_client",
    "FrameSteps": "frames",
    "ImagesInvalid": "images",
    "JobCancelled": "segmenting",
    "JobFailed": "wait",
    "Prediction": "predicted",
    "Progress": "segmenting",
    "SegmentResult": "results",
    "Segmentation": "segmentation",
    "StackNotRunning": "address",
}
__all__ = [
    "ApiError",
    "ApiKeyMissing",
    "ApiUnreachable",
    "AsyncClient",
    "AsyncSegmentation",
    "Client",
    "FrameSteps",
    "ImagesInvalid",
    "JobCancelled",
    "JobFailed",
    "Prediction",
    "Progress",
    "SegmentResult",
    "Segmentation",
    "StackNotRunning",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: commands that need only a schema start faster."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
