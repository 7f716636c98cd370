"""Errors of predictions, and the form in which a worker reports one to the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from samfleet.errors import InvalidInput, SamfleetError, TooManyRequests, Unavailable
from samfleet.image_errors import ImageFailed
from samfleet.variants.budget import MasksTooMany, PromptsTooMany
from samfleet.variants.conventions import PromptUnsupported


class PredictionsBusy(TooManyRequests):
    """This server already waits for as many predictions as it accepts at a time; try again shortly, or submit a job."""

    code = "predictions_busy"


class PredictionTimeout(SamfleetError):
    """The image was not segmented in time; try again, or submit a job for it."""

    code = "prediction_timeout"
    status_code = 504
    retryable = True


class PredictionRejected(InvalidInput):
    """The model cannot segment this image."""

    code = "prediction_rejected"


class PredictionFailed(Unavailable):
    """A worker could not get the image segmented; try again shortly."""

    code = "prediction_failed"


def _with_subclasses(error: type[SamfleetError]) -> Iterator[type[SamfleetError]]:
    yield error
    for subclass in error.__subclasses__():
        yield from _with_subclasses(subclass)


_KNOWN: tuple[type[SamfleetError], ...] = (
    ImageFailed, MasksTooMany, PredictionFailed, PredictionTimeout, PromptsTooMany, PromptUnsupported
)  # fmt: skip
_SAME: Mapping[str, type[SamfleetError]] = {error.code: error for known in _KNOWN for error in _with_subclasses(known)}


def told(error: SamfleetError) -> dict[str, Any]:
    """Return the form of an error in a reply."""
    return {"code": error.code, "message": error.message, "invalid": isinstance(error, InvalidInput)}


def error_of(fields: Mapping[str, Any]) -> SamfleetError:
    """Return the error of a reply: one of the input or of predictions itself, else one that names the code."""
    code, message = str(fields["code"]), str(fields["message"])
    if code in _SAME:
        return _SAME[code](message)
    return (PredictionRejected if fields["invalid"] else PredictionFailed)(f"{message} [{code}]")
