"""`make sbom`: bills of materials in CycloneDX, complete and the same each time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.locks import LOCKS, Lock

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(not (ROOT / ".venv/supply").exists(), reason="cyclonedx-py is not installed; make sbom does it"),
]


@pytest.fixture(scope="module")
def bills() -> dict[str, str]:
    subprocess.run(("make", "sbom"), cwd=ROOT, check=True, capture_output=True)
    return {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "dist" / "sbom").iterdir()}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_bill_has_every_package_with_its_hashes(bills: dict[str, str], lock: Lock) -> None:
    bill: dict[str, Any] = json.loads(bills[f"{lock.name}.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "samfleet"
    locked = [line.split()[0] for line in lock.path.read_text(encoding="utf-8").splitlines() if "==" in line]
    assert sorted(f"{one['name']}=={one['version']}" for one in bill["components"]) == sorted(locked)
    for component in bill["components"]:
        assert component["purl"].startswith("pkg:pypi/")
        assert any(reference.get("hashes") for reference in component["externalReferences"]), component["name"]


def test_the_same_lock_makes_the_same_bill(bills: dict[str, str]) -> None:
    subprocess.run(("make", "sbom", "LOCKS=deploy/locks/build.txt"), cwd=ROOT, check=True, capture_output=True)
    assert (ROOT / "dist/sbom/build.cdx.json").read_text(encoding="utf-8") == bills["build.cdx.json"]
