"""Body of `POST /v1/predict`: JSON, or a form with the JSON as `request` and the file as `image`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from samfleet_api.bodies import limited
from samfleet_api.dependencies import SettingsValue, TenantId
from samfleet_api.predictions.schemas import Predict
from samfleet_api.problems import PayloadInvalid
from samfleet_api.strict_json import strict_json

FORM = b"multipart/form-data"
PREDICT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Predict"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["request", "image"],
                    "properties": {
                        "request": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "The JSON, without dataset_id and image_id.",
                        },
                        "image": {"type": "string", "format": "binary"},
                    },
                },
                "examples": {"a point": {"value": {"request": '{"variant": "mobile_sam"}', "image": "jar.jpg"}}},
            },
        },
    }
}


@dataclass(frozen=True, slots=True)
class PredictBody:
    request: Predict
    image: IO[bytes] | None  # None: an image of a dataset


async def predict_body(request: Request, settings: SettingsValue, _tenant: TenantId) -> AsyncIterator[PredictBody]:
    if parse_options_header(request.headers.get("Content-Type"))[0] != FORM:
        inner = Request(request.scope, limited(request.receive, settings.max_body_bytes))
        yield _checked(_parsed(await inner.body()), None)
        return
    most = settings.max_predict_image_bytes + settings.max_body_bytes
    inner = Request(request.scope, limited(request.receive, most))
    parser = MultiPartParser(
        request.headers, inner.stream(), max_files=1, max_fields=1, max_part_size=settings.max_body_bytes
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise PayloadInvalid(f"the form cannot be read: {error.message}") from error
    try:
        text, image = form.get("request"), form.get("image")
        if not isinstance(text, str) or not isinstance(image, UploadFile):
            raise PayloadInvalid("the form needs the field 'request' with JSON and the file 'image'")
        yield _checked(_parsed(text.encode()), image.file)
    finally:
        await form.close()


PredictBodyValue = Annotated[PredictBody, Depends(predict_body)]


def _parsed(text: bytes) -> Predict:
    try:
        value = strict_json(text)
    except (ValueError, RecursionError) as error:
        raise PayloadInvalid(f"the request is not JSON: {error}") from error
    try:
        return Predict.model_validate(value)
    except ValidationError as error:
        located: list[Any] = [{**found, "loc": ("body", *found["loc"])} for found in error.errors()]
        raise RequestValidationError(located) from error


def _checked(request: Predict, image: IO[bytes] | None) -> PredictBody:
    if (image is None) == (request.image_id is None):
        raise PayloadInvalid("send the image as the file 'image' of a form, or name it by dataset_id and image_id")
    return PredictBody(request, image)
