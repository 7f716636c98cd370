"""Write the parts of the Helm chart that follow from other files: `python -m scripts.helm_chart --write`.

They are the names of settings in `values.schema.json`, from `samfleet.config`, and the table of values in
`docs/kubernetes.md`, from the schema's descriptions and the defaults of `values.yaml`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from samfleet.config import Settings

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "samfleet"
SCHEMA, VALUES, DOCUMENT = CHART / "values.schema.json", CHART / "values.yaml", ROOT / "docs" / "kubernetes.md"
BEGIN, END = "<!-- values: make generated -->\n", "<!-- end of values -->"

# Settings that the chart derives from other values; in `settings` they would contradict these.
DERIVED = frozenset(
    {
        "database_url", "database_pooling", "broker_url", "storage_url", "s3_endpoint_url", "pools", "pool",
        "triton_secret", "weights_dir", "variants_dir", "accept_licenses", "dataset_roots", "bootstrap_api_key",
        "site", "site_key_file", "metrics_port", "metrics_host", "heartbeat_file", "worker_concurrency",
    }
)  # fmt: skip


def setting_names() -> list[str]:
    return sorted(f"SAMFLEET_{name}".upper() for name in Settings.model_fields.keys() - DERIVED)


def with_settings(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with a property for each setting that a user may set."""
    settings = schema["properties"]["settings"] | {
        "properties": {name: {"type": ["string", "number"]} for name in setting_names()}
    }
    return schema | {"properties": schema["properties"] | {"settings": settings}}


def rows(schema: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line of the table for each value that the schema does not split further."""
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    for path, facts, default in _leaves(schema, schema, values, ""):
        yield f"| `{path}` | {_shown(default)} | {facts['description'].replace('|', chr(92) + '|')} |"


def _leaves(
    schema: Mapping[str, Any], node: Mapping[str, Any], values: Any, path: str
) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    for name, facts in node["properties"].items():
        value = values.get(name) if isinstance(values, Mapping) else None
        place = f"{path}.{name}" if path else name
        resolved = _resolve(schema, facts)
        parts = resolved.get("properties", {})
        if parts and all("description" in part for part in parts.values()):
            yield from _leaves(schema, resolved, value, place)
        elif name != "global":
            yield place, facts, value


def _resolve(schema: Mapping[str, Any], facts: Mapping[str, Any]) -> Mapping[str, Any]:
    name = facts.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = schema["definitions"][name] if name else facts
    return found


def _shown(default: Any) -> str:
    if default in ("", None, [], {}):
        return "none"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def schema_text() -> str:
    schema = with_settings(json.loads(SCHEMA.read_text("utf-8")))
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def document_text() -> str:
    """Return the document with the current table between its marks."""
    table = "\n".join(rows(json.loads(schema_text()), yaml.safe_load(VALUES.read_text("utf-8"))))
    mark = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return mark.sub(lambda _: f"{BEGIN}\n{table}\n\n{END}", DOCUMENT.read_text("utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.helm_chart", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files; otherwise compare them")
    wanted = {SCHEMA: schema_text, DOCUMENT: document_text}
    write = parser.parse_args().write
    stale = [path for path, text in wanted.items() if path.read_text("utf-8") != text()]
    for path in stale if write else ():
        path.write_text(wanted[path](), "utf-8")
    if stale and not write:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.stderr.write(f"{names}: run `make generated`\n")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
