from __future__ import annotations

import pytest

from samfleet.datasets.recipes.catalogue import RECIPES, RecipeNotFound, get_recipe
from samfleet.datasets.recipes.prepare import OPEN
from samfleet.licences import OF_DATASETS


def test_every_recipe_states_its_terms_and_can_be_read() -> None:
    for recipe in RECIPES.values():
        assert recipe.terms
        assert set(recipe.terms) <= set(OF_DATASETS), recipe.name
        assert recipe.page.startswith("https://"), recipe.name
        assert recipe.layout in OPEN
        assert bool(recipe.archive) != bool(recipe.by_hand), recipe.name


def test_the_25_sets_of_sginw_share_one_archive() -> None:
    sets = [recipe for recipe in RECIPES.values() if recipe.name.startswith("sginw_")]
    assert len(sets) == 25
    assert len({recipe.member for recipe in sets}) == 25
    assert len({recipe.archive for recipe in sets}) == 1


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeNotFound, match=r"no recipe 'coco'; .*coco_val2017, lvis_v1_val"):
        get_recipe("coco")
