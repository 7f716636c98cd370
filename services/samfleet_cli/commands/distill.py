"""`samfleet distill`: train a student on a hosted variant's answers; the result is a variant of the user's own.

Exit codes: 0 done, 1 an error, 2 wrong usage.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from samfleet.licences import SETTING
from samfleet_cli.commands.options import flag
from samfleet_cli.commands.variants import AcceptLicenses, StateDir, WeightsDir


def distill(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="Variant whose architecture is trained.")],
    *,
    teacher: Annotated[str, typer.Option(help="Variant whose answers are learned; its weights must be here.")],
    images: Annotated[Path, typer.Option(help="Folder of photographs; no annotations are needed.")],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint, the teacher's answers and the result.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the new variant.  [default: STUDENT_from_TEACHER]", show_default=False)
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 8,
    max_minutes: Annotated[
        float | None, typer.Option(help="End this call after as many minutes; a later one goes on.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Samples per step.")] = 8,
    lr: Annotated[float, typer.Option(help="Highest learning rate of AdamW.")] = 1e-3,
    input_size: Annotated[
        int | None, typer.Option(help="Side of the student's input in pixels.  [default: its own]", show_default=False)
    ] = None,
    samples: Annotated[int, typer.Option(help="Prompts of each image per epoch; for squeezesam and validation.")] = 8,
    grid: Annotated[int, typer.Option(help="Points per side with which the teacher finds objects.")] = 16,
    validation: Annotated[float, typer.Option(help="Share of images held out, by the hash of their names.")] = 0.2,
    patience: Annotated[
        int | None, typer.Option(help="End after as many epochs without a lower validation loss.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first weights, the order and the changes of samples.")] = 0,
    device: Annotated[str, typer.Option(envvar="SAMFLEET_DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of torch on a CPU.", show_default=False)] = None,
    amp: Annotated[bool, flag("--amp", help="Train in bf16 on a GPU.")] = False,
    cache_gb: Annotated[float, typer.Option(help="Maximum size of the teacher's answers on disk.")] = 20.0,
    weights_dir: WeightsDir = None,
    state_dir: StateDir = Path(".samfleet"),
    accept_licenses: AcceptLicenses = "",
) -> None:
    """Train STUDENT on the answers of a teacher. Run the same command again to go on after an interruption.

    Writes NAME.safetensors and NAME.yaml to the folder; `samfleet --variants-dir FOLDER` hosts the new variant.
    """
    from samfleet_cli.model_tools import run_distill

    given = {
        "--teacher": teacher,
        "--images": images,
        "--out": out,
        "--name": name,
        "--weights-dir": weights_dir or state_dir / "weights",
        "--epochs": epochs,
        "--max-minutes": max_minutes,
        "--batch-size": batch_size,
        "--lr": lr,
        "--input-size": input_size,
        "--samples": samples,
        "--grid": grid,
        "--validation": validation,
        "--patience": patience,
        "--seed": seed,
        "--device": device,
        "--threads": threads,
        "--cache-gb": cache_gb,
    }
    arguments = [f"{option}={value}" for option, value in given.items() if value is not None]
    environment = {**os.environ, SETTING: accept_licenses}
    raise typer.Exit(run_distill([student, *arguments, *(["--amp"] if amp else [])], environment))
