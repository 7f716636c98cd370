"""The example of docs/sites.md runs word for word on two sites."""

from __future__ import annotations

import re
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures.api.running_sites import SiteApi, open_site, serve_site
from fixtures.servers.postgres import _create_database
from samfleet_cli.main import app

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "sites.md"


def blocks() -> list[list[str]]:
    example = DOCUMENT.read_text().split("## An example")[1].split("\n## ")[0]
    return [block.strip().splitlines() for block in re.findall(r"```\n(.*?)```", example, re.DOTALL)]


@pytest.fixture(scope="module")
def sites(
    postgres: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, SiteApi]]:
    folder = tmp_path_factory.mktemp("sites")
    one, other = (_create_database(postgres, f"site_{uuid.uuid4().hex}", template_database) for _ in range(2))
    with (
        serve_site("h200-lab", one, folder / "one") as lab,
        serve_site(None, other, folder / "other") as laptop,
        open_site(lab) as at_lab,
        open_site(laptop) as at_laptop,
    ):
        yield {"lab": at_lab, "laptop": at_laptop}


def run(line: str, site: SiteApi, **variables: str) -> str:
    words = shlex.split(re.sub(r"\$(\w+)", lambda found: variables[found[1]], line.partition(" #")[0]))
    environment = {"SAMFLEET_API_URL": site.api.url, "SAMFLEET_API_KEY": site.tenant.key}
    result = CliRunner().invoke(app, words[1:], env=environment)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_the_example_works(sites: dict[str, SiteApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, laptop = sites["lab"], sites["laptop"]
    lab.measure("NVIDIA H200", 2.0)
    laptop.measure("Laptop GPU", 20.0)
    monkeypatch.chdir(tmp_path)
    on_lab, on_laptop, later = blocks()
    told = [run(line, lab) for line in on_lab][-1]
    fingerprint = told.strip().rpartition(" ")[2]
    imported, latency, comparison, pareto, listed = (run(line, laptop, FINGERPRINT=fingerprint) for line in on_laptop)
    assert "runs 1 added, 0 replaced, 0 unchanged" in imported
    assert all(word in latency for word in ("h200-lab", "local", "NVIDIA H200", "Laptop GPU"))
    assert "a is faster" in comparison
    assert "h200-lab" in pareto
    assert fingerprint in listed
    run(later[0], lab)
    assert "runs 0 added, 1 replaced, 0 unchanged" in run(later[1], laptop)
    assert "forgot h200-lab" in run("samfleet report forget h200-lab", laptop)
    assert "h200-lab" not in run("samfleet report latency", laptop)


def test_an_export_file_is_named_after_the_site(
    sites: dict[str, SiteApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "h200-lab.jsonl.gz: site h200-lab" in run("samfleet report export", sites["lab"])
    assert (tmp_path / "h200-lab.jsonl.gz").stat().st_size > 0
