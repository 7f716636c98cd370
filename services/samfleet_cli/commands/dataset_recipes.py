"""Output of `samfleet datasets prepare`: the list of recipes, and a prepared folder."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from samfleet.datasets.recipes.catalogue import RECIPES
from samfleet.datasets.recipes.prepare import ANNOTATIONS, IMAGES, Preparation, Prepared, prepare
from samfleet.datasets.recipes.record import Recipe
from samfleet_cli.listing import Column, Form, print_list
from samfleet_cli.local_stack.pull_progress import PullProgress

COLUMNS = (
    Column("recipe", lambda one: one.name),
    Column("dataset", lambda one: one.title),
    Column("images", lambda one: one.images),
    Column("terms to accept", lambda one: ", ".join(one.terms)),
    Column("page", lambda one: one.page, folds=True),
    Column("by hand", lambda one: one.by_hand or None, folds=True),
)


def print_recipes(form: Form) -> None:
    recipes: list[Recipe] = list(RECIPES.values())
    print_list(COLUMNS, recipes, form, whole=[asdict(one) for one in recipes], empty="there are no recipes")


def show_prepared(wanted: Preparation, *, as_json: bool) -> None:
    """Prepare the dataset and print where it is, with the command that segments it."""
    with PullProgress(wanted.recipe.name) as progress:
        prepared = prepare(wanted, progress=progress)
    if as_json:
        sys.stdout.write(json.dumps(_fields(prepared), indent=2) + "\n")
        return
    folder = prepared.folder
    typer.echo(
        f"{folder}: {prepared.images} images, {prepared.annotations} annotations, {prepared.fetched} fetched now"
    )
    typer.echo(f"  samfleet segment {folder / IMAGES} --annotations {folder / ANNOTATIONS} --variant NAME --out DIR")


def default_out(name: str) -> Path:
    return Path("datasets") / name


def _fields(prepared: Prepared) -> dict[str, Any]:
    return {**asdict(prepared), "folder": str(prepared.folder)}
