"""The recipes by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from samfleet.datasets.recipes import coco, sa_1b, sginw, uvo
from samfleet.datasets.recipes.record import Recipe
from samfleet.errors import NotFound

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {recipe.name: recipe for recipe in (*coco.RECIPES, *uvo.RECIPES, *sginw.RECIPES, *sa_1b.RECIPES)}
)


class RecipeNotFound(NotFound):
    """There is no recipe of this name; `samfleet datasets prepare --list` shows them."""

    code = "recipe_not_found"


def get_recipe(name: str) -> Recipe:
    try:
        return RECIPES[name]
    except KeyError:
        raise RecipeNotFound(
            f"there is no recipe {name!r}; `samfleet datasets prepare --list` shows them: {', '.join(RECIPES)}"
        ) from None
