from __future__ import annotations

from typing import Any

import pytest

from fixtures.api.running_api import Api

SUCCESS = {"200", "201", "202", "204", "206", "304"}

OPERATIONS = [
    "audit_list",
    "comparison_create",
    "comparison_delete",
    "comparison_list",
    "comparison_list_images",
    "comparison_read",
    "comparison_read_annotations",
    "comparison_read_image",
    "dataset_add_images",
    "dataset_add_images_by_hash",
    "dataset_create",
    "dataset_create_version",
    "dataset_delete",
    "dataset_list",
    "dataset_list_categories",
    "dataset_list_images",
    "dataset_list_sources",
    "dataset_list_versions",
    "dataset_put_annotations",
    "dataset_put_archive",
    "dataset_put_detections",
    "dataset_put_manifest",
    "dataset_put_prompts",
    "dataset_read",
    "dataset_seal",
    "dataset_update",
    "deletion_list",
    "export_create",
    "export_delete",
    "export_estimate",
    "export_list",
    "export_list_formats",
    "export_read",
    "export_read_file",
    "hardware_list",
    "hardware_put_price",
    "health_metrics",
    "health_read",
    "job_act",
    "job_cancel",
    "job_count",
    "job_delete",
    "job_estimate",
    "job_follow",
    "job_group_errors",
    "job_list",
    "job_list_errors",
    "job_list_history",
    "job_list_log",
    "job_pause",
    "job_read",
    "job_read_report",
    "job_read_throughput",
    "job_resume",
    "job_retry",
    "job_submit",
    "job_update",
    "key_create",
    "key_create_login_link",
    "key_list",
    "key_read_current",
    "key_revoke",
    "pool_list",
    "prediction_create",
    "readiness_read",
    "report_advise",
    "report_compare",
    "report_cost",
    "report_export",
    "report_import",
    "report_latency",
    "report_pareto",
    "report_quality",
    "report_stages",
    "report_survey",
    "report_throughput",
    "review_change",
    "review_find_next",
    "review_list_history",
    "review_read",
    "review_read_job",
    "review_read_progress",
    "run_list_images",
    "run_read",
    "run_read_annotations",
    "run_read_image",
    "run_read_neighbours",
    "run_read_overlay",
    "run_read_picture",
    "run_read_preview",
    "run_read_results",
    "site_forget",
    "site_list",
    "storage_list_tenants",
    "storage_read",
    "storage_read_job",
    "tenant_create",
    "tenant_disable",
    "tenant_enable",
    "tenant_list",
    "tenant_read",
    "tenant_update",
    "variant_cancel_pull",
    "variant_list",
    "variant_pull",
    "variant_read",
    "variant_read_pull",
    "webhook_create",
    "webhook_delete",
    "webhook_list",
    "webhook_list_deliveries",
    "webhook_read",
    "webhook_read_delivery",
    "webhook_replay",
    "webhook_replay_delivery",
    "webhook_rotate_secret",
    "webhook_test",
    "webhook_update",
]


@pytest.fixture
def schema(api: Api) -> dict[str, Any]:
    return api.app.openapi()


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    return node


def has_example(schema: dict[str, Any], content: dict[str, Any]) -> bool:
    """Return whether the body, its model or the models in it have an example."""
    if "example" in content or "examples" in content:
        return True
    model = resolve(schema, content["schema"])
    if model.get("examples"):
        return True
    members = [*model.get("oneOf", []), *model.get("anyOf", [])]
    if items := model.get("properties", {}).get("items"):
        members.append(items["items"])
    return bool(members) and all(resolve(schema, member).get("examples") for member in members)


def test_every_operation_is_described(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        assert operation.get("summary"), name
        assert operation.get("tags"), name
        assert operation["operationId"].split("_")[0] in {*(tag.rstrip("s") for tag in operation["tags"]), "readiness"}


def test_operation_ids_are_unique_and_stable(schema: dict[str, Any]) -> None:
    ids = sorted(operation["operationId"] for _, operation in operations(schema))
    assert ids == OPERATIONS


def test_every_body_has_an_example(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        bodies += [response for status, response in operation["responses"].items() if status in SUCCESS]
        for body in bodies:
            for media_type, content in body.get("content", {}).items():
                if media_type in {"application/json", "multipart/form-data"} and "results" not in name:
                    assert has_example(schema, content), f"{name}: {media_type}"


def test_every_operation_declares_its_errors(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        responses = operation["responses"]
        wanted = {"422", "500", "503"} | ({"401"} if "/v1/" in name else set())
        assert wanted <= set(responses), name
        assert operation.get("security", []) == ([{"HTTPBearer": []}] if "/v1/" in name else []), name
        for status, response in responses.items():
            if status not in SUCCESS and not (status == "503" and "readyz" in name):
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert all(example["value"]["status"] == int(status) for example in content["examples"].values())


def test_every_field_of_the_task_is_described(schema: dict[str, Any]) -> None:
    task = schema["components"]["schemas"]["SubmitJob"]["properties"]["task"]
    everything, prompts = task["oneOf"]
    assert everything["properties"]["points_per_side"]["default"] == 32
    assert prompts["properties"]["prompt"]["enum"] == ["box", "center_point", "random_points", "file"]
    assert (prompts["properties"]["points"]["default"], prompts["properties"]["seed"]["default"]) == (3, 0)
