"""JSON schemas of a job's task, with the ranges and defaults of its settings."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, WithJsonSchema

from samfleet.jobs.task import MOST_POINTS, MOST_SEED, PromptKind
from samfleet.variants.task import INTEGER_RANGES, NUMBER_RANGES, EverythingParameters, Sampler, takes
from samfleet.variants.tiling import LEAST_OVERLAP_SHARE, LEAST_SIZE, MOST_SIZE

TILE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "additionalProperties": False,
    "description": "Images that are wider or higher than `size` pixels are cut into tiles of this size, whose masks "
    "are merged. Neighbours share `overlap` pixels or a little more; from a 32nd to half of the size, an eighth by "
    "default. Not with boxes of annotations or detections.",
    "properties": {
        "size": {"type": "integer", "minimum": LEAST_SIZE, "maximum": MOST_SIZE},
        "overlap": {"type": "integer", "minimum": LEAST_SIZE // LEAST_OVERLAP_SHARE, "maximum": MOST_SIZE // 2},
    },
}


SAMPLERS_EXTENSION = "x-samfleet-samplers"  # of a parameter: the samplers that take it


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema with its range and the samplers that take it."""
    bounds = INTEGER_RANGES.get(name) or NUMBER_RANGES.get(name)
    ranged = {} if bounds is None else {"minimum": bounds[0], "maximum": bounds[1]}
    samplers = [sampler for sampler in get_args(Sampler) if takes(sampler, name)]
    if "anyOf" in schema:  # a number, or a word
        kinds = [{**kind, **ranged} if kind["type"] != "string" else kind for kind in schema["anyOf"]]
        return {**schema, "anyOf": kinds, SAMPLERS_EXTENSION: samplers}
    return {**schema, **ranged, SAMPLERS_EXTENSION: samplers}


def _everything_schema() -> dict[str, Any]:
    schema = TypeAdapter(EverythingParameters).json_schema()["properties"]
    properties: dict[str, Any] = {
        "kind": {"const": "everything"},
        **{field.name: _parameter(field.name, schema[field.name]) for field in fields(EverythingParameters)},
        "tile": TILE_SCHEMA,
    }
    return {
        "title": "Everything",
        "description": "All masks of every image (SegEvery). Names and meanings follow the official automatic mask "
        "generator. Omitted settings come from the variant; the defaults below are those of most variants. The sampler "
        "chooses the prompts of an image: a grid of points, two grids (hierarchical_coarse_factor, high_score_thresh), "
        "a grid in levels without points that resemble their mask (adaptive_levels, similarity_thresh), salient cells "
        "of the embedding (salient_window), boxes of the dataset or of the variant's detector with one mask each (only "
        "boxes_from, detection_score_thresh, detection_nms_thresh and max_detections), or no prompts, if the variant "
        "finds all instances itself (pred_iou_thresh, box_nms_thresh, stability_score_thresh, stability_score_offset, "
        "max_detections).",
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": properties,
    }


PROMPT_TILE = (
    "In images that are wider or higher than `size` pixels each prompt is answered in a tile of this size, or a crop "
    "as large, that has `overlap` pixels around its points and box. A larger prompt gets a crop that is scaled down."
)
PROMPTS_SCHEMA: dict[str, Any] = {
    "title": "Prompts",
    "description": "One mask per annotated instance that is not a crowd, or per prompt of the dataset's prompts file "
    "(SegAny).",
    "type": "object",
    "required": ["kind", "prompt"],
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "prompts"},
        "prompt": {"enum": list(get_args(PromptKind))},
        "from": {
            "enum": ["annotations", "prompts"],
            "description": "Default, and only value: prompts for file, annotations for the others.",
        },
        "multimask": {
            "type": "boolean",
            "description": "Request three masks and keep the best. Default: true for points, false for boxes. Not for "
            "file, whose prompts each have their own.",
        },
        "points": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_POINTS,
            "default": 3,
            "description": "Only for random_points: distinct random pixels of each object, all foreground. An object "
            "with fewer pixels uses all of them.",
        },
        "seed": {
            "type": "integer",
            "minimum": 0,
            "maximum": MOST_SEED,
            "default": 0,
            "description": "Only for random_points: with the annotation's id it determines the pixels.",
        },
        "tile": {**TILE_SCHEMA, "description": PROMPT_TILE},
    },
}

Task = Annotated[dict[str, Any] | None, WithJsonSchema({"oneOf": [_everything_schema(), PROMPTS_SCHEMA]})]
