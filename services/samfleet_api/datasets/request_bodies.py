"""OpenAPI descriptions of request bodies that are read as streams, without a model."""

from __future__ import annotations

from typing import Any

FILES_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                },
                "examples": {"two images": {"value": {"files": ["shelf/left.jpg", "shelf/right.jpg"]}}},
            }
        },
    }
}
ANNOTATIONS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["images", "annotations"],
                    "properties": {
                        name: {"type": "array", "items": {"type": "object"}}
                        for name in ("images", "annotations", "categories")
                    },
                },
                "example": {
                    "images": [{"id": 7, "file_name": "shelf/left.jpg", "width": 640, "height": 480}],
                    "annotations": [
                        {
                            "id": 1,
                            "image_id": 7,
                            "category_id": 1,
                            "bbox": [10, 10, 40, 30],
                            "area": 1200,
                            "iscrowd": 0,
                            "segmentation": [[10, 10, 50, 10, 50, 40, 10, 40]],
                        }
                    ],
                    "categories": [{"id": 1, "name": "box"}],
                },
            }
        },
    }
}
ARCHIVE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
MANIFEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": '{"image": "s3://photos/2026/left.jpg", "id": "shelf-17"}',
            }
        },
    }
}
DETECTIONS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["image_id", "category_id", "bbox", "score"],
                        "properties": {
                            "image_id": {"type": "integer", "minimum": 0},
                            "category_id": {"type": "integer", "minimum": 0},
                            "bbox": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
                            "score": {"type": "number"},
                        },
                    },
                },
                "example": [{"image_id": 7, "category_id": 1, "bbox": [10, 10, 40, 30], "score": 0.91}],
            }
        },
    }
}
PROMPTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/jsonl": {
                "schema": {"type": "string"},
                "example": '{"file_name": "shelf/left.jpg", "objects": [{"id": "box 1", "points": [[30, 24]]}]}\n'
                '{"image_id": 2, "objects": [{"id": "box 2", "category": "box", "box": [10, 10, 50, 40]}]}\n',
            }
        },
    }
}
