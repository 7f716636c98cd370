"""The error body of all routes (RFC 9457), and declarations of errors for OpenAPI."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.errors import Forbidden, InvalidInput, SamfleetError, TooLarge, TooManyRequests, Unauthorized, Unavailable

MEDIA_TYPE = "application/problem+json"


class PayloadInvalid(InvalidInput):
    """The request is invalid; `errors` has the locations."""

    code = "payload_invalid"


class PayloadTooLarge(TooLarge):
    """The request body is larger than this route accepts."""

    code = "payload_too_large"


class ContentEncodingUnsupported(SamfleetError):
    """Encoded request bodies are not supported; omit `Content-Encoding`."""

    code = "content_encoding_unsupported"
    status_code = 415


class ValueUnusable(InvalidInput):
    """A value in the request cannot be stored or compared, such as a number beyond 64 bits or text with NUL."""

    code = "value_unusable"


class FieldError(BaseModel):
    """One error in the request and its location."""

    location: list[str | int] = Field(description="`body`, `query`, `path` or `header`, then the path to the field.")
    message: str
    type: str


class Problem(BaseModel):
    """An error. `code` is stable and meant for programs; `detail` is meant for people."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "code": "dataset_not_found",
                    "detail": "dataset 5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11 does not exist; "
                    "GET /v1/datasets lists yours",
                    "instance": "/v1/datasets/5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
                }
            ]
        }
    )

    type: str = Field(default="about:blank", description="URI of the problem type; `code` is more specific.")
    title: str = Field(description="The HTTP status in words.")
    status: int
    code: str = Field(description="Stable name of the error; docs/api.md lists them all.")
    detail: str = Field(description="The cause and a remedy.")
    instance: str | None = Field(default=None, description="The requested path.")
    errors: list[FieldError] | None = Field(default=None, description="All errors of a `payload_invalid`.")

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


def problem_of(error: SamfleetError, instance: str | None = None, errors: list[FieldError] | None = None) -> Problem:
    return Problem(
        title=HTTPStatus(error.status_code).phrase,
        status=error.status_code,
        code=error.code,
        detail=error.message,
        instance=instance,
        errors=errors,
    )


def problems(*errors: type[SamfleetError], public: bool = False) -> dict[int | str, dict[str, Any]]:
    """Build `responses=` of a route: these errors and those of every route. `public` routes need no key."""
    common = (PayloadInvalid, PayloadTooLarge, ContentEncodingUnsupported, Unavailable, SamfleetError)
    of_keys = () if public else (Unauthorized, Forbidden, TooManyRequests)
    by_status: dict[int, list[type[SamfleetError]]] = defaultdict(list)
    for error in sorted({*errors, *common, *of_keys}, key=lambda error: error.code):
        by_status[error.status_code].append(error)
    return {status: _declared(status, by_status[status]) for status in sorted(by_status)}


def _declared(status: int, errors: list[type[SamfleetError]]) -> dict[str, Any]:
    examples = {error.code: {"summary": error().message, "value": problem_of(error()).to_json()} for error in errors}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{error.code}`' for error in errors)}",
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }
