"""`samfleet variants`: what can be run, and its weights. Exit codes: 0 done, 1 a pull failed, 2 wrong usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from samfleet.errors import SamfleetError
from samfleet.variants.catalogue import VARIANTS, VariantNotFound, get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.verify import weights_path

app = typer.Typer(help="The variants that can be run, and their weights.", no_args_is_help=True)

WeightsDir = Annotated[
    Path | None,
    typer.Option(
        "--weights-dir",
        envvar="SAMFLEET_WEIGHTS_DIR",
        help="Where checkpoint files lie.  [default: weights in the state folder]",
        show_default=False,
    ),
]
StateDir = Annotated[
    Path, typer.Option("--state-dir", envvar="SAMFLEET_STATE_DIR", help="Where `samfleet up` keeps its files.")
]


@app.command("list")
def list_variants(
    *,
    weights_dir: WeightsDir = None,
    state_dir: StateDir = Path(".samfleet"),
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show the variants and whether their weights are on this machine."""
    rows = [_row(record, weights_dir or state_dir / "weights") for record in VARIANTS.values()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "family", "weights", "licence", "on this machine")
    for row in rows:
        size = f"{row['weights_bytes'] / 1e6:.1f} MB"
        table.add_row(row["name"], row["family"], size, row["weights_licence"], "yes" if row["present"] else "no")
    Console().print(table)


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="As `samfleet variants list` shows them.")],
    *,
    weights_dir: WeightsDir = None,
    state_dir: StateDir = Path(".samfleet"),
) -> None:
    """Fetch the weights of variants, checked by sha256; an interrupted pull goes on where it stopped."""
    from samfleet.variants.weights.pull import pull as pull_weights
    from samfleet_cli.pull_progress import PullProgress

    try:
        records = [get_variant(name) for name in dict.fromkeys(names)]
    except VariantNotFound as error:
        raise typer.BadParameter(error.message) from None
    failed = False
    for record in records:
        try:
            with PullProgress(record.name) as progress:
                path = pull_weights(record, weights_dir or state_dir / "weights", progress=progress)
        except SamfleetError as error:
            typer.echo(f"samfleet: {error.message} [{error.code}]", err=True)
            failed = True
        else:
            typer.echo(f"{record.name}: {path}")
    if failed:
        raise typer.Exit(1)


def _row(record: VariantRecord, weights_dir: Path) -> dict[str, Any]:
    """`present` goes by name and size, which is quick; whoever loads the weights checks their hash."""
    path = weights_path(weights_dir, record)
    checkpoint = record.checkpoint
    return {
        "name": record.name,
        "title": record.title,
        "family": record.family,
        "input_size": record.input_size,
        "weights_bytes": checkpoint.size_bytes,
        "weights_sha256": checkpoint.sha256,
        "weights_path": str(path),
        "present": path.is_file() and path.stat().st_size == checkpoint.size_bytes,
        "code_licence": record.code_licence,
        "weights_licence": record.weights_licence,
        "repository": record.repository,
        "paper": {"title": record.paper.title, "arxiv": record.paper.arxiv},
    }
