"""Tables on stdout for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from textwrap import fill
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from samfleet.variants.gates import Gate
from samfleet.variants.survey_figures import SOURCE
from samfleet.wire.stages import STAGES
from samfleet_cli.jobs.result_files import Results, hardware_of, stages_note

AREAS = ("all", "small", "medium", "large")
METRICS = {
    "miou": "mIoU",
    "ar": "AR",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_agnostic": "class-agnostic AP",
    "ap50_agnostic": "class-agnostic AP50",
    "ap75_agnostic": "class-agnostic AP75",
    "lvis_ap": "LVIS AP",
    "lvis_ap50": "LVIS AP50",
    "lvis_ap75": "LVIS AP75",
    "lvis_apr": "LVIS APr",
    "lvis_apc": "LVIS APc",
    "lvis_apf": "LVIS APf",
    "lvis_ar": "LVIS AR",
}
_GAP = 2  # spaces between the columns of a list; rich adds one of them itself
_WHOLE = {"variant", "pool", "run", "image", "stage", "metric", "execution"}  # columns of names, which are not wrapped
_FEWEST_COLUMNS = 100  # a pipe has no width; 80 would truncate names


def console() -> Console:
    found = Console(highlight=False, emoji=False)
    return (
        found if found.is_terminal else Console(highlight=False, emoji=False, width=max(found.width, _FEWEST_COLUMNS))
    )


def print_summary(results: Results, *, as_json: bool) -> None:
    """Print the tables of a job and the written files. With `as_json`, stdout has only the summary."""
    summary = results.summary
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _print_tables(summary)
    typer.echo("\n".join(("files written:", *(f"  {path}" for path in results.files))), err=as_json)


def runs_table(summary: dict[str, Any]) -> Table:
    runs = summary["runs"]
    has_quality = any("quality" in run for run in runs)
    numbers = ["images", "failed", "masks", "images/s", *(["mIoU", "instances"] if has_quality else [])]
    has_state = any(run["state"] != "completed" for run in runs)
    words = ("variant", "pool", *(["state"] if has_state else []), "hardware")
    table = _table(words, numbers, title=f"job {summary['job_id']}")
    for run in runs:
        named = [run["variant"], run["pool"], *([run["state"]] if has_state else []), hardware_of(run) or "-"]
        cells = [run["images"], run["failed"], run["masks"], _number(run["images_per_second"], 3)]
        if has_quality:
            quality = run.get("quality") or {"miou": None, "instances": 0}
            cells += [_number(quality["miou"], 4), quality["instances"]]
        _add_row(table, *named, *cells)
    return table


def stages_table(run: dict[str, Any]) -> Table:
    """Table of the time per image and stage, in milliseconds."""
    title = f"{run['variant']} on {run['pool']}: milliseconds per image"
    table = _table(("stage",), ("images", "mean", "p50", "p90", "p99"), title=title)
    table.caption, table.caption_justify = Text(stages_note(run)), "left"
    for stage in sorted(run["stages"], key=lambda name: (STAGES.index(name) if name in STAGES else len(STAGES), name)):
        times = run["stages"][stage]
        _add_row(
            table, stage, times["n"], *(_number(times[name], 1) for name in ("mean_ms", "p50_ms", "p90_ms", "p99_ms"))
        )
    return table


def evaluation_table(run: dict[str, Any]) -> Table:
    """Table of a run's evaluation, one row per metric, with the reason for missing metrics as caption."""
    figures = run.get("evaluation", [])
    whole, *sizes = AREAS
    numbers = (whole, "95 % interval", *sizes, "masks per image")
    table = _table(("metric",), numbers, title=f"{run['variant']} on {run['pool']}: evaluation")
    found = {(one["metric"], one["max_detections"], one["area"]): one for one in figures}
    for metric, limit in dict.fromkeys((one["metric"], one["max_detections"]) for one in figures):
        cells = {area: found.get((metric, limit, area), {}) for area in AREAS}
        values = [_number(cells[area].get("value"), 4) for area in AREAS]
        _add_row(table, METRICS.get(metric, metric), values[0], _interval(cells[whole]), *values[1:], limit)
    if error := run.get("quality_error"):
        table.caption, table.caption_justify = Text(f"{error['message']} [{error['code']}]"), "left"
    return table


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure.get("low"), figure.get("high")
    return "-" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def size_words(size_bytes: int | None) -> str | None:
    """Format a size as in the dashboard."""
    return None if size_bytes is None else f"{size_bytes / 2**20:.1f} MiB"


def licence_words(row: Mapping[str, Any]) -> str:
    return f"{row['weights_licence']}: off" if row["licences_to_accept"] else str(row["weights_licence"])


def variant_table(row: Mapping[str, Any]) -> Table:
    """Table of a variant with the fields of `samfleet variants show --json`."""
    shown = {
        **{name: value for name, value in row.items() if name not in {"survey", "published", "repository", "paper"}},
        "files": "\n".join(_file_words(file) for file in row["files"]),
        "present": "yes" if row["present"] else "no",
        "licences_to_accept": ", ".join(row["licences_to_accept"]) or "-",
        **_work_words(row),
        "repository": row["repository"],
        "gated": ", ".join(row["gated"]) or "-",
        "paper": f"{row['paper']['title']} (arXiv {row['paper']['arxiv']})",
    }
    shown = {name: value for name, value in shown.items() if value is not None and name not in {"complexity", "gates"}}
    return table_of(
        ("of the variant", str(row["name"])), [(name.replace("_", " "), value) for name, value in shown.items()]
    )


def _work_words(row: Mapping[str, Any]) -> dict[str, str | None]:
    """Describe the measured complexity of a variant and published figures."""
    words: dict[str, str | None] = {}
    if counted := row["complexity"]:
        giga = {name: f"{value / 1e9:,.1f} GFLOPs" for name, value in counted.items() if value}
        words["parameters"] = f"{counted['parameters'] / 1e6:.2f} million"
        words["one box"] = f"{giga['box_flops']}, of which encoder {giga['encoder_flops']}"
        if "grid_scored_flops" in giga:
            words["32 x 32 grid"] = f"{giga['grid_scored_flops']}, {giga['grid_drawn_flops']} with every mask drawn"
        words["detector"] = giga.get("detector_flops")
    words |= {"survey": None, "published": None}
    if survey := row["survey"]:
        figures = [f"table {one['table']}, {one['condition']}: {one['figure']:g} {one['unit']}" for one in survey]
        words["survey"] = f"{'; '.join(figures)} ({SOURCE}, as quoted by others)"
    if row["published"]:
        words["published"] = "\n".join(f"{claim['text']} ({claim['source']})" for claim in row["published"])
    return words


def _file_words(file: Mapping[str, Any]) -> str:
    kind = "" if file["published"] else " (not published" + (", pinned here)" if file["sha256"] else ")")
    return f"{file['for']}: {file['path']}, sha256 {file['sha256'] or 'unknown'}{kind}"


def gates_table(gates: Sequence[tuple[Gate, str]]) -> Table:
    """Table of the agreement of each execution's masks with those of fp32."""
    names = ("execution", "on", "torch", "state")
    table = _table(names, ("images", "masks", "at 0.9", "mIoU", "boxes"), title="gates")
    for gate, state in gates:
        subject, figures = gate.subject, gate.figures
        shares = (figures.agreeing_share, figures.paired_iou, figures.box_iou)
        counts = figures.images, figures.reference_masks
        cells = (subject.execution, subject.device_name, subject.torch, state)
        _add_row(table, *cells, *counts, *(_number(value, 4) for value in shares))
    return table


def errors_table(errors: Sequence[dict[str, Any]]) -> Table:
    table = _table(("image", "code", "message"), (), title=f"{len(errors)} failed")
    for error in errors:
        _add_row(table, error["file_name"], error["code"], error["message"])
    return table


def list_table(
    columns: Sequence[str], widths: Sequence[int], rows: Sequence[Sequence[str]], *, folded: Collection[str]
) -> Table:
    """Build a table of a list. Headings are wrapped between words to `widths`. On a narrow console, cells of the
    columns in `folded` are wrapped; all others never are.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for name, width in zip(columns, widths, strict=True):
        table.add_column(fill(name, width), overflow="fold", no_wrap=name not in folded)
    for row in rows:
        _add_row(table, *row)
    return table


def width_of(columns: Sequence[int]) -> int:
    """Return the width of a `list_table` whose columns have these widths."""
    return sum(columns) + _GAP * len(columns)


def table_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = _table(columns, ())
    for row in rows:
        _add_row(table, *row)
    return table


def measures_table(
    columns: Sequence[str], widths: Sequence[int | None], rows: Sequence[Sequence[str]], left: int
) -> Table:
    """Build a table of measurements. Columns with a width keep it; on a narrow terminal, the others are wrapped. The
    first `left` columns are words, the others figures.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for at, (name, width) in enumerate(zip(columns, widths, strict=True)):
        justify: JustifyMethod = "left" if at < left else "right"
        if width is None:
            table.add_column(name, justify=justify, overflow="fold")
        else:
            table.add_column(fill(name, width), justify=justify, no_wrap=True, width=width)
    for row in rows:
        _add_row(table, *row)
    return table


def _table(names: Sequence[str], numbers: Sequence[str], title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in _WHOLE)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _add_row(table: Table, *cells: object) -> None:
    """Add a row without markup: rich would interpret a file name such as `[red].jpg`."""
    table.add_row(*(Text(str(cell)) for cell in cells))


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _print_tables(summary: dict[str, Any]) -> None:
    out = console()
    out.print(runs_table(summary))
    for run in summary["runs"]:
        if run["stages"]:
            out.print(stages_table(run))
    for run in summary["runs"]:
        if "evaluation" in run or "quality_error" in run:
            out.print(evaluation_table(run))
    if summary["errors"]:
        out.print(errors_table(summary["errors"]))
