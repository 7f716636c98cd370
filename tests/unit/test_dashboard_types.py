from __future__ import annotations

import enum

import pytest
from pydantic import BaseModel

from samfleet_api.pagination import Page
from scripts import dashboard_types
from scripts.dashboard_types import HEADER, declarations


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Thing(BaseModel):
    name: str
    colour: Colour
    sizes: list[int | None]
    parts: dict[str, float]
    about: dict[str, object]
    note: str | None = None


THING = """declare namespace Api {
  type Colour = "red" | "blue";

  interface Thing {
    name: string;
    colour: Colour;
    sizes: (number | null)[];
    parts: Record<string, number>;
    about: About;
    note?: string | null;
  }

  interface ThingPage {
    items: Thing[];
    next: string | null;
  }
}
"""


def test_models_become_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_types, "MODELS", (Page[Thing],))
    monkeypatch.setattr(dashboard_types, "UNTYPED", {"Thing.about": "About"})
    assert declarations() == HEADER + THING


def test_a_type_for_a_missing_field_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_types, "UNTYPED", {"Job.gone": "Gone"})
    with pytest.raises(ValueError, match=r"Job\.gone"):
        declarations()
