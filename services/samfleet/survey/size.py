"""Table 3: parameters and operations of the networks."""

from __future__ import annotations

from samfleet.reports.table import Row
from samfleet.variants.catalogue import RECORDS
from samfleet.variants.complexity import complexities
from samfleet.variants.survey_figures import FLOPS, PARAMETERS, survey_figure

MEASURED = ("parameters_m", "published_parameters_m", "encoder_gflops", "box_gflops", "published_gflops")


def size_rows() -> list[Row]:
    """Return a row for each hosted variant.

    `parameters_m` is in millions, of the image path. Operations are those of the networks that samfleet runs, with two
    operations per multiply-add; the survey counts the published modules.
    """
    rows = []
    for record in RECORDS:
        counted, published = complexities().get(record.name), survey_figure(PARAMETERS, record.name)
        if counted is None and published is None:
            continue
        rows.append(
            {
                "variant": record.name,
                "parameters_m": counted.parameters / 1e6 if counted else None,
                "published_parameters_m": published,
                "encoder_gflops": counted.encoder_flops / 1e9 if counted else None,
                "box_gflops": counted.box_flops / 1e9 if counted else None,
                "published_gflops": survey_figure(FLOPS, record.name),
            }
        )
    return rows
