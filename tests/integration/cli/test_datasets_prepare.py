from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures.servers.dataset_files import serve_by_url
from fixtures.servers.file_server import FileServer
from samfleet.datasets.recipes import catalogue
from samfleet.datasets.recipes.catalogue import RECIPES
from samfleet.licences import LicenceNotAccepted
from samfleet_cli.commands.datasets import app


@pytest.fixture
def served(file_server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FileServer:
    recipe, _ = serve_by_url(file_server)
    monkeypatch.setattr(catalogue, "RECIPES", {recipe.name: recipe})
    monkeypatch.chdir(tmp_path)
    return file_server


def test_recipes_are_listed() -> None:
    listed = json.loads(CliRunner().invoke(app, ["prepare", "--list", "--json"]).stdout)
    assert [one["name"] for one in listed] == list(RECIPES)
    assert listed[0]["page"] == "https://cocodataset.org/#termsofuse"
    assert (
        "lvis_v1_val\tLVIS v1 val\t19809\tFlickr-terms"
        in CliRunner().invoke(app, ["prepare", "--list", "--plain"]).stdout
    )


def test_a_dataset_is_prepared_in_the_default_folder(served: FileServer, tmp_path: Path) -> None:
    arguments = ["prepare", "coco_val2017", "--limit", "2", "--accept-licenses", "Flickr-terms"]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.startswith("datasets/coco_val2017: 2 images, ")
    assert "samfleet segment datasets/coco_val2017/images --annotations" in outcome.stdout
    assert (tmp_path / "datasets/.downloads/annotations.zip").is_file()
    asked = len(served.requests)
    again = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (again["folder"], again["images"], again["fetched"]) == ("datasets/coco_val2017", 2, 0)
    assert len(served.requests) == asked


def test_the_terms_may_be_accepted_in_the_environment(served: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CliRunner().invoke(app, ["prepare", "coco_val2017"])
    assert isinstance(refused.exception, LicenceNotAccepted)
    monkeypatch.setenv("SAMFLEET_ACCEPT_LICENSES", "AGPL-3.0,Flickr-terms")
    assert CliRunner().invoke(app, ["prepare", "coco_val2017"]).exit_code == 0
    assert served.requests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare"], "name a recipe"),
        (["prepare", "coco_val2017", "--accept-licenses", "GPL-9"], "names GPL-9"),
        (["prepare", "coco_val2017", "--limit", "0"], "--limit"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], message: str) -> None:
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2
    assert message in outcome.output
