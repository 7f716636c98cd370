from __future__ import annotations

import re

from samfleet.db.models.results import IMAGE_MS_SQL
from samfleet.rollups.measures import COLUMNS


def test_the_index_of_times_sums_the_stages_of_an_image() -> None:
    """Both add them in this order, so that a list shows the number by which it is sorted."""
    assert re.findall(r"coalesce\((\w+), 0\)", IMAGE_MS_SQL) == list(COLUMNS)
