"""Write `docs/variants.md` from the records: `python -m samfleet.variants.document --write docs/variants.md`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from samfleet.licences import RESTRICTED, SETTING, restricted_parts
from samfleet.variants.catalogue import RECORDS
from samfleet.variants.complexity import Complexity
from samfleet.variants.complexity import complexities as counted
from samfleet.variants.published import CLAIMS, NOT_HOSTED
from samfleet.variants.record import (
    Checkpoint,
    FileSource,
    HttpsSource,
    ManualSource,
    PackageSource,
    Source,
    VariantRecord,
)
from samfleet.variants.survey_figures import FIGURES, NAMES, UNNAMED_GPU, survey_figure
from samfleet.variants.task import EverythingParameters

PARITY: Mapping[str, str] = {
    "golden": "outputs of the official code, recorded on stand-in weights",
    "reference": "outputs of transformers, or of a plain implementation made of `golden` parts, on random weights; the "
    "official code was not recorded",
    "keys": "keys and shapes of the official checkpoint, or of the official code; outputs were not available",
    "real": "the real weights and their masks on COCO",
    "unverified": "nothing: built from the paper and its published configuration",
}

INTRODUCTION = f"""# Variants

*Written by `make generated` from the records in `services/samfleet/variants/records`; edit those.*

`samfleet variants list` shows what is on this machine, `samfleet variants show NAME` the details of one variant.
`samfleet variants pull NAME` fetches its weights. If no hash is published, the hash of the first file is pinned.
`samfleet variants import NAME FILE` imports a file that programs may not fetch
([command line](cli.md#variants-list-show-pull-and-import)).

Some weights are disabled until `{SETTING}` names their licence:
{"; ".join(f"{name} {terms}" for name, terms in sorted(RESTRICTED.items()))}.
"""

COUNTED = """
## Size and work

Operations of the networks that samfleet runs: the fused encoder and the folded decoder, which computes less than the
published modules. torch's flop counter counts them, with two operations per multiply-add and none for element-wise
steps. A box is a whole image with one box prompt. The grid of 32 x 32 points has two figures, because a mask is drawn
only if its score passes: for no mask, and for all masks. Variants that rank by stability draw all masks to compute it.
Variants that find all objects at once have no grid. Parameters are those of the image path.

| variant | parameters (M) | encoder (GFLOPs) | one box (GFLOPs) | 32 x 32 grid (GFLOPs) |
|---|---|---|---|---|
"""

PUBLISHED = f"""
## Published figures

samfleet measured none of these. Most are for other hardware, detectors and prompts: compare them only within a column.
The survey is "On Efficient Variants of Segment Anything Model" (arXiv 2410.04960), tables 3 to 8, **as quoted by
others who agree with each other; check the paper before citing**. An empty cell is unknown here. Table 4 has
milliseconds per image with one box prompt. Table 5 has milliseconds per image of SegEvery on {UNNAMED_GPU}, with a
grid of points or the variant's own method. Table 6 has mIoU on COCO, or on LVIS where named; tables 7 and 8 have AP on
COCO.
"""


def render() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION, _table("variant | name | family | input | weights | licence | compared with")]
    lines += [_row(*_overview(record)) for record in RECORDS]
    lines += ["", *(f"- `{name}`: {meaning}." for name, meaning in PARITY.items()), COUNTED.rstrip()]
    lines += [_row(record.name, *_work(counted().get(record.name))) for record in RECORDS]
    lines += [PUBLISHED.rstrip(), *_survey(), "", "What the authors state:", "", *_claims()]
    lines += ["", "## Details", *(line for record in RECORDS for line in _section(record))]
    lines += ["", "## Not hosted", "", *(f"- **{name}**: {reason}." for name, reason in NOT_HOSTED.items())]
    return "\n".join(lines) + "\n"


def _table(columns: str) -> str:
    return f"| {columns} |\n|" + "---|" * (columns.count("|") + 1)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _overview(record: VariantRecord) -> Iterator[object]:
    sizes = [file.size_bytes for file in record.files.values()]
    yield f"[`{record.name}`](#{record.name})"
    yield record.title
    yield record.family
    yield f"{record.input_size} px"
    yield "size not published" if None in sizes else f"{sum(size or 0 for size in sizes) / 2**20:.1f} MiB"
    yield record.weights_licence + (" (disabled)" if restricted_parts(record.weights_licence) else "")
    yield f"`{record.parity}`"


def _work(complexity: Complexity | None) -> Sequence[str]:
    if complexity is None:
        return ("not counted: an ONNX graph", "", "", "")
    grids = (complexity.grid_scored_flops, complexity.grid_drawn_flops)
    grid = " to ".join(dict.fromkeys(f"{flops / 1e9:,.0f}" for flops in grids if flops))
    if complexity.detector_flops:
        grid += f"; detector {complexity.detector_flops / 1e9:,.0f}"
    flops = (f"{value / 1e9:,.1f}" for value in (complexity.encoder_flops, complexity.box_flops))
    return (f"{complexity.parameters / 1e6:.2f}", *flops, grid)


def _survey() -> Iterator[str]:
    """Yield one Markdown table for each of the survey's tables."""
    for number in sorted({condition.table for condition in FIGURES}):
        conditions = [condition for condition in FIGURES if condition.table == number]
        yield from ("", f"### Table {number}", "")
        yield _table(
            " | ".join(
                ["variant", "the survey's name", *(f"{condition.label} ({condition.unit})" for condition in conditions)]
            )
        )
        for variant, called in NAMES.items():
            figures = [survey_figure(condition, variant) for condition in conditions]
            if any(figure is not None for figure in figures):
                yield _row(variant, called, *("" if figure is None else f"{figure:g}" for figure in figures))


def _claims() -> Iterator[str]:
    for record in RECORDS:
        for claim in CLAIMS.get(record.name, ()):
            yield f"- `{record.name}`: {claim.text} ({claim.source})."


def _section(record: VariantRecord) -> Iterator[str]:
    paper = f"[{record.paper.title}](https://arxiv.org/abs/{record.paper.arxiv})"
    yield from ("", f"### {record.name}", "")
    yield f"{record.title}: {paper}; [code]({record.repository}) under {record.code_licence},"
    yield f"weights under {record.weights_licence}."
    yield ""
    for role, checkpoint in record.files.items():
        yield f"- {role}: `{checkpoint.filename}`, {_hash(checkpoint)}; {_sources(checkpoint)}"
    yield f"- SegEvery: {_defaults(record.everything)}"


def _hash(checkpoint: Checkpoint) -> str:
    return f"sha256 `{checkpoint.sha256}`" if checkpoint.sha256 else "no hash published, the first file is pinned"


def _sources(checkpoint: Checkpoint) -> str:
    return " or ".join(map(_source, checkpoint.sources)) or "no source to pull from: import your own file"


def _source(source: Source) -> str:
    match source:
        case HttpsSource():
            return f"<{source.url}>"
        case ManualSource():
            return f"by hand from <{source.page}>"
        case FileSource():
            return f"`{source.path}`"
        case PackageSource():
            return f"{source.registry} package `{source.package}` {source.version}"


def _defaults(parameters: EverythingParameters) -> str:
    usual, own = EverythingParameters().to_dict(), parameters.to_dict()
    different = [f"`{name}` {value}" for name, value in own.items() if value != usual.get(name)]
    return ", ".join(different) if different else "the official generator's defaults"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m samfleet.variants.document", description=__doc__)
    parser.add_argument("--write", type=Path, required=True, metavar="FILE")
    parser.parse_args(arguments).write.write_text(render())


if __name__ == "__main__":
    main()
