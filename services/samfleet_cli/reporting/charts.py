"""Charts of reports with matplotlib, an optional dependency."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samfleet.errors import InvalidInput

FIGURES = {
    "latency": "p50_ms",
    "throughput": "images_per_second",
    "quality": "miou",
    "compare": "ratio",
    "cost": "cost_per_1000_images",
}
WHO = ("variant", "hardware", "site", "stage", "batch_size", "precision", "dataset", "day")
QUALITIES = {
    "miou": ("miou", "mIoU"),
    "ap": ("ap", "AP"),
    "ar": ("ar_1000", "AR of 1000 masks"),
    "lvis_ap": ("lvis_ap", "LVIS AP"),
}
WEIGHED = {"device": "images_per_gpu_hour", "speed": "images_per_second", "cost": "cost_per_1000_images"}


class ChartNotAvailable(InvalidInput):
    """Charts need matplotlib; install it with `pip install samfleet[charts]`."""

    code = "chart_not_available"


def draw(name: str, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw bars of the report's main metric; for pareto, a scatter plot of quality against speed or cost."""
    pyplot = require_pyplot()
    drawn = [row for row in rows if name == "pareto" or row[FIGURES[name]] is not None]
    figure, axes = pyplot.subplots(figsize=(8, 5) if name == "pareto" else (8, 2 + 0.3 * len(drawn)))
    names = [name for name in WHO if len({row.get(name) for row in drawn}) > 1] or ["variant"]
    labels = [", ".join(str(row[name]) for name in names if row.get(name) is not None) for row in drawn]
    if name == "pareto":
        _scatter(axes, drawn, labels)
    else:
        axes.barh([str(index) for index in range(len(drawn))], [row[FIGURES[name]] for row in drawn])
        axes.set_yticks(range(len(drawn)), labels)
        axes.invert_yaxis()
        axes.set_xlabel(FIGURES[name].replace("_", " "))
    axes.set_title(name)
    figure.savefig(path, dpi=150, bbox_inches="tight", format="png")
    pyplot.close(figure)


def _scatter(axes: Any, rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> None:
    """Draw the points. All rows have the same `quality` and `against`."""
    for row, label in zip(rows, labels, strict=True):
        quality, title = QUALITIES[row["quality"]]
        weighed = WEIGHED[row["against"]]
        axes.scatter(row[weighed], row[quality], color="tab:gray" if row["dominated"] else "tab:blue")
        axes.annotate(label, (row[weighed], row[quality]), xytext=(4, 4), textcoords="offset points")
        axes.set_xlabel(weighed.replace("_", " "))
        axes.set_ylabel(title)


def require_pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise ChartNotAvailable from error
    mpl.use("Agg")
    return importlib.import_module("matplotlib.pyplot")
