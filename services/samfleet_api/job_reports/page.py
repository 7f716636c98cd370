"""The report's page: its tables, as rows of words, and its template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from samfleet.pages import render_page
from samfleet.quality.protocol import CLASS_AGNOSTIC
from samfleet.version import code_version
from samfleet.wire.stages import STAGES
from samfleet_api.job_reports import words
from samfleet_api.job_reports.charts import scatter, stage_bars
from samfleet_api.job_reports.measurements import Measured, Measurements
from samfleet_api.job_reports.samples import Sample
from samfleet_api.jobs.failure_schemas import FailureGroup
from samfleet_api.jobs.schemas import Job
from samfleet_api.runs.quality_schemas import Figure
from samfleet_api.runs.schemas import Run

FEW = 100  # images; p99 of fewer is close to the slowest
SHOWN_DIGEST = 12
METRICS = {
    "miou": "mIoU",
    "ap": "AP",
    "ap50": "AP at IoU 0.5",
    "ap75": "AP at IoU 0.75",
    "ap_agnostic": "AP, class-agnostic",
    "lvis_ap": "LVIS AP",
}
AR = tuple(f"AR, {limit} masks" for limit in CLASS_AGNOSTIC.limits)
LEAST_MS = 1.0  # shorter times do not choose the unit of all


@dataclass(frozen=True, slots=True)
class Table:
    """A table in words; columns from `numbers_from` on have numbers."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int


@dataclass(frozen=True, slots=True)
class JobReport:
    """Contents of the page."""

    job: Job
    measurements: Measurements
    failures: Sequence[FailureGroup]
    samples: Sequence[Sample]
    made_at: datetime


def render_job_report(report: JobReport) -> str:
    rows = report.measurements.rows
    bars = stage_bars(rows)
    return render_page(
        "samfleet_api.job_reports",
        "job_report.html",
        "job_report.css",
        job=report.job,
        title=report.job.name or f"Job {report.job.id}",
        summary=list(_summary(report)),
        variants=_variants(rows),
        figures=_figures(report.job.runs),
        chart=scatter(report.measurements.points),
        bars=bars,
        stages=_stages(rows),
        worked=[name for name in STAGES if any(name == part[0] for bar in bars for part in bar.parts)],
        few=any(row.image.get("n", FEW) < FEW for row in rows),
        failures=report.failures,
        samples=report.samples,
        models=[_model(run, rows) for run in _one_by_variant(report.job.runs)],
        made=words.moment(report.made_at),
        version=code_version(),
    )


def _summary(report: JobReport) -> Iterator[tuple[str, str]]:
    job = report.job
    yield "Dataset", job.dataset_name or "without a name"
    yield "Task", job.task_in_words
    done = job.counts.succeeded + job.counts.failed
    failed = f", {words.count(job.counts.failed)} failed" if job.counts.failed else ""
    of = f" of {words.count(job.counts.total)}" if done < job.counts.total else ""
    yield "Images", f"{words.counted(done, 'result')}{of}{failed}; {words.counted(len(job.runs), 'run')}"
    yield "Masks", words.count(sum(run.masks for run in job.runs))
    yield "State", job.state.value.replace("_", " ")
    yield "Started", words.moment(job.started_at)
    if job.started_at and job.finished_at:
        yield "Duration", words.duration((job.finished_at - job.started_at).total_seconds())


def _variants(rows: Sequence[Measured]) -> Table:
    times = words.time_unit(row.image.get("p95_ms") for row in rows)
    rates = words.rate_unit(row.throughput.get("images_per_second") for row in rows)
    currencies = sorted({row.cost["currency"] for row in rows if row.cost.get("currency")})
    headings = ["Variant", "Hardware", "Images", "Failed", f"p50, {times.name}", f"p95, {times.name}"]
    headings += [_capital(rates.name), "Images per device hour", "mIoU"]
    headings += [f"{currency} per 1000 images" for currency in currencies]

    def cells(row: Measured) -> list[str]:
        rate = row.throughput
        costs = [
            row.cost.get("cost_per_1000_images") if row.cost.get("currency") == one else None for one in currencies
        ]
        return [
            row.variant,
            row.hardware,
            _images(row.image.get("n")),
            words.count(rate.get("failures")),
            times.show(row.image.get("p50_ms")),
            times.show(row.image.get("p95_ms")),
            rates.show(rate.get("images_per_second")),
            words.Unit("").show(rate.get("images_per_gpu_hour")),
            words.decimals(row.quality.get("miou")),
            *(words.Unit("").show(one) for one in costs),
        ]

    return Table("Time per image and throughput, without warm-up", headings, [cells(row) for row in rows], 2)


def _images(n: int | None) -> str:
    return "one" if n == 1 else words.count(n)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _figures(runs: Sequence[Run]) -> Table:
    """Metrics of the evaluation over all sizes of objects, with their intervals; rows of runs that have some."""
    found = [(run, {_metric(one): one for one in run.evaluation if one.area == "all"}) for run in runs]
    names = [name for name in (*METRICS.values(), *AR) if any(name in figures for _, figures in found)]
    rows = [
        [run.variant, run.pool, words.count(max(one.instances for one in figures.values()))]
        + [_with_interval(figures.get(name)) for name in names]
        for run, figures in found
        if figures
    ]
    return Table("Agreement with the annotations of the dataset", ["Variant", "Pool", "Instances", *names], rows, 2)


def _metric(figure: Figure) -> str:
    name = METRICS.get(figure.metric, figure.metric)
    return f"AR, {figure.max_detections} masks" if figure.metric == "ar" else name


def _with_interval(figure: Figure | None) -> str:
    if figure is None:
        return words.NONE
    value = words.decimals(figure.value)
    return value if figure.low is None or figure.high is None else f"{value} ({figure.low:.3f} to {figure.high:.3f})"


def _stages(rows: Sequence[Measured]) -> Table:
    names = [name for name in STAGES if any(name == one for row in rows for one, _ in row.stages)]
    unit = words.time_unit(stage["p95_ms"] for row in rows for _, stage in row.stages if stage["p95_ms"] >= LEAST_MS)
    lines = []
    for row in rows:
        found = dict(row.stages)
        times = [
            f"{unit.show(one['p50_ms'])} / {unit.show(one['p95_ms'])}" if one else words.NONE
            for one in map(found.get, names)
        ]
        lines.append([row.variant, row.hardware, _images(row.image.get("n")), *times])
    caption = f"Median / p95 of each stage, {unit.name} per image"
    return Table(caption, ["Variant", "Hardware", "Images", *names], lines, 2)


def _one_by_variant(runs: Sequence[Run]) -> list[Run]:
    return list({run.variant: run for run in runs}.values())


def _model(run: Run, rows: Sequence[Measured]) -> dict[str, object]:
    """Return title, licences and versions of a variant."""
    found = run.provenance
    own = [row for row in rows if row.variant == run.variant]
    facts = [
        ("Task", ", or ".join(sorted({row.task_in_words for row in own})) or words.NONE),
        ("Licence of the code", found.code_licence or "not stated"),
        ("Licence of the weights", found.weights_licence or "not stated"),
        ("Weights, SHA-256", ", ".join(one[:SHOWN_DIGEST] for one in found.checkpoint_sha256) or words.NONE),
        ("Source", found.repository or words.NONE),
        ("Paper", f"arXiv {found.arxiv}" if found.arxiv else words.NONE),
        ("Version of samfleet", ", ".join(sorted({row.code_version for row in own})) or words.NONE),
        ("Parameters", ", ".join(sorted({row.parameters for row in own})) or words.NONE),
    ]
    return {"name": run.variant, "title": found.title, "facts": facts}
