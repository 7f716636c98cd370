from __future__ import annotations

from collections import Counter

import pytest

from chaos.suite.scenarios import REFERENCE, SCENARIOS
from chaos.suite.schedule import make_schedule
from chaos.suite.surroundings import KINDS
from fixtures.servers.chaos_stack import VICTIMS

IMAGES = 4000


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_schedule_follows_from_the_seed_alone(name: str) -> None:
    blows = SCENARIOS[name].blows
    first = make_schedule(7, name, blows, IMAGES)
    assert make_schedule(7, name, blows, IMAGES) == first
    assert len(first) == SCENARIOS[name].strikes
    if blows:
        assert make_schedule(8, name, blows, IMAGES) != first


@pytest.mark.parametrize("images", [1, 20, IMAGES])
def test_moments_are_in_order_and_before_the_end_of_the_job(images: int) -> None:
    moments = [strike.at for strike in make_schedule(7, "kills", SCENARIOS["kills"].blows, images)]
    assert moments == sorted(moments)
    assert all(1 <= at <= max(1, 0.95 * images) for at in moments)


@pytest.mark.parametrize("seed", range(5))
def test_there_are_fifty_kills_and_every_process_gets_its_share(seed: int) -> None:
    kills = Counter(strike.target for strike in make_schedule(seed, "kills", SCENARIOS["kills"].blows, IMAGES))
    assert kills.total() >= 50
    assert kills.keys() == set(VICTIMS)
    assert max(kills.values()) - min(kills.values()) <= 1


def test_scenarios_name_known_surroundings_and_one_is_undisturbed() -> None:
    assert {scenario.surroundings for scenario in SCENARIOS.values()} == KINDS.keys()
    assert [name for name, scenario in SCENARIOS.items() if not scenario.blows] == [REFERENCE]
