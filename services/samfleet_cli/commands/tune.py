"""`samfleet tune`: the settings with which this machine serves a variant best."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from samfleet_cli.commands.advise import parse_bytes
from samfleet_cli.commands.options import AsJson, Plain

_CONSTRAINTS = "Constraints"
_SWEEP = "Values to try; may be repeated"


class Task(enum.StrEnum):
    EVERYTHING = "everything"
    BOX = "box"


class Prefer(enum.StrEnum):
    THROUGHPUT = "throughput"
    LATENCY = "latency"
    MEMORY = "memory"


def _limit(help_: str, **more: Any) -> Any:
    return typer.Option(help=help_, rich_help_panel=_CONSTRAINTS, show_default=False, **more)


def _try(help_: str, **more: Any) -> Any:
    return typer.Option(help=help_, rich_help_panel=_SWEEP, show_default=False, **more)


Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder of images like those you will segment. Default: photographs of scikit-image.",
        exists=True,
        file_okay=False,
        show_default=False,
    ),
]
Annotations = Annotated[
    Path | None,
    typer.Option(
        help="COCO instances file of these images, for --task box.", exists=True, dir_okay=False, show_default=False
    ),
]
Grid = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Points along one side of the grid. Default: the variant's.", show_default=False),
]
MaxMemory = Annotated[
    int | None,
    _limit(
        "Peak memory of the variant on a GPU, or of its process, such as 900MiB.", parser=parse_bytes, metavar="SIZE"
    ),
]


def tune(
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="Name shown by `samfleet variants list`.")],
    images: Images = None,
    task: Annotated[Task, typer.Option(help="All masks of an image, or one mask per annotated box.")] = Task.EVERYTHING,
    annotations: Annotations = None,
    points_per_side: Grid = None,
    max_latency: Annotated[float | None, _limit("Milliseconds of the 95th percentile.", min=0)] = None,
    max_memory: MaxMemory = None,
    min_agreement: Annotated[
        float | None, _limit("Share of masks that have a partner in fp32's, 0 to 1.", min=0, max=1)
    ] = None,
    prefer: Annotated[Prefer, typer.Option(help="Figure that decides among the points left.")] = Prefer.THROUGHPUT,
    execution: Annotated[list[str] | None, _try("Default: fp32 and all that passed their gate here.")] = None,
    threads: Annotated[list[int] | None, _try("Threads of a CPU. Default: 1, 2, 4, ..., all.", min=1)] = None,
    batch_size: Annotated[list[int] | None, _try("Largest batch. Default: 1, 2, 4, ..., the limit.", min=1)] = None,
    in_flight: Annotated[list[int] | None, _try("Images in flight. Default: 1, 2, 4, 8 and 64.", min=1)] = None,
    budget: Annotated[float, typer.Option(min=0.1, help="Minutes after which no further point is measured.")] = 30.0,
    images_per_round: Annotated[
        int, typer.Option(min=2, max=10_000, help="Images in a round, repeated if needed.")
    ] = 16,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds of a point that is not cut.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the sweeps' states.", file_okay=False)] = Path("tune"),
    as_json: AsJson = False,
    plain: Plain = False,
) -> None:
    """Measure a variant with other settings of the stack, and print the Pareto front and the settings to use.

    Starts a stack with the settings of each point, so none may run here. Each round is an ordinary job. Masks are
    compared with those of fp32. What was measured is kept: the same command goes on after an interruption.

    Exit codes: 0 settings are recommended; 5 no point meets all constraints; 130 Ctrl-C; 2 wrong usage; 1 any other
    error.
    """
    from samfleet_cli.connection import choose_api
    from samfleet_cli.exit_codes import ExitCode
    from samfleet_cli.listing import Form
    from samfleet_cli.tuning import session
    from samfleet_cli.tuning.figures import Constraints
    from samfleet_cli.tuning.output import answer_of, print_answer

    form = Form(as_json=as_json, plain=plain)
    wish = session.Wish(
        variant=variant,
        task=_task(task, images, annotations, points_per_side),
        out=out / variant,
        images=images,
        annotations=annotations,
        sweep=session.Sweep(execution or (), threads or (), batch_size or (), in_flight or ()),
        constraints=Constraints(max_latency, max_memory, min_agreement),
        prefer=prefer.value,
        budget_minutes=budget,
        images_per_round=images_per_round,
        rounds=rounds,
    )
    tuned = session.tune(choose_api(None, None), wish, lambda line: typer.echo(line, err=True))
    answer = answer_of(tuned)
    print_answer(answer, form)
    if tuned.interrupted:
        typer.echo(f"interrupted: the same command goes on with what is in {wish.out}", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.OK if answer["recommended"] else ExitCode.NOTHING_RECOMMENDED)


def _task(task: Task, images: Path | None, annotations: Path | None, points_per_side: int | None) -> dict[str, Any]:
    """Return the API's task object. Contradictory options are wrong usage."""
    if task is Task.BOX:
        if annotations is None or images is None:
            raise typer.BadParameter("--task box needs --images and their --annotations for its boxes")
        if points_per_side is not None:
            raise typer.BadParameter("--points-per-side needs --task everything")
        return {"kind": "prompts", "prompt": "box", "from": "annotations"}
    if annotations is not None:
        raise typer.BadParameter("--annotations needs --task box")
    return {"kind": "everything"} | ({} if points_per_side is None else {"points_per_side": points_per_side})
