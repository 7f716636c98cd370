"""`samfleet variants`: available variants, their weights and their gates.

Exit codes: 0 done or passed, 1 a pull or a gate failed, 2 wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args

import typer

from samfleet.errors import SamfleetError
from samfleet.licences import RESTRICTED, SETTING, LicenceUnknown, parse_accepted
from samfleet.variants.calibrations import DEFAULT_MOST_ERROR as MOST_ERROR
from samfleet.variants.catalogue import COMPONENTS, VARIANTS, VariantNotFound, get_record, get_variant
from samfleet.variants.execution import Compilation, Execution, Precision
from samfleet.variants.record import VariantRecord
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, flag

app = typer.Typer(help="The variants that can be run, their weights and their gates.", no_args_is_help=True)

WeightsDir = Annotated[
    Path | None,
    typer.Option(
        "--weights-dir",
        envvar="SAMFLEET_WEIGHTS_DIR",
        help="Folder of checkpoint files.  [default: weights in the state folder]",
        show_default=False,
    ),
]
StateDir = Annotated[
    Path, typer.Option("--state-dir", envvar="SAMFLEET_STATE_DIR", help="Folder of the files of `samfleet up`.")
]
GatesDir = Annotated[
    Path | None,
    typer.Option(
        "--gates-dir",
        envvar="SAMFLEET_GATES_DIR",
        help="Folder of gates.  [default: gates in the state folder]",
        show_default=False,
    ),
]
AcceptLicenses = Annotated[
    str,
    typer.Option(
        "--accept-licenses",
        envvar=SETTING,
        help=f"Restricted licences that you accept, separated by commas: {', '.join(RESTRICTED)}.",
        show_default=False,
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name shown by `samfleet variants list`.")]


@app.command("list")
def list_variants(
    *,
    weights_dir: WeightsDir = None,
    gates_dir: GatesDir = None,
    state_dir: StateDir = Path(".samfleet"),
    accept_licenses: AcceptLicenses = "",
    as_json: AsJson = False,
    plain: Plain = False,
) -> None:
    """List variants and their parts, whether their weights are on this machine, and which executions passed a gate."""
    from samfleet_cli.commands.variant_rows import VARIANT_COLUMNS, VARIANTS_NOTE, Here, variant_row
    from samfleet_cli.listing import Form, print_list

    form = Form(as_json, plain)
    here = Here(weights_dir or state_dir / "weights", gates_dir or state_dir / "gates", _accepted(accept_licenses))
    rows = [variant_row(record, here) for record in (*VARIANTS.values(), *COMPONENTS.values())]
    print_list(VARIANT_COLUMNS, rows, form, whole=rows, empty="there are no variants", note=VARIANTS_NOTE)


@app.command()
def show(
    name: Name,
    *,
    weights_dir: WeightsDir = None,
    gates_dir: GatesDir = None,
    state_dir: StateDir = Path(".samfleet"),
    accept_licenses: AcceptLicenses = "",
    as_json: AsJson = False,
) -> None:
    """Show one variant and all gates measured for it."""
    from samfleet_cli.commands.variant_rows import Here, variant_row
    from samfleet_cli.local_stack.gates import gates_here
    from samfleet_cli.tables import console, gates_table, variant_table

    record, gates = _record(name), gates_dir or state_dir / "gates"
    found = list(gates_here(gates, record))
    row = variant_row(record, Here(weights_dir or state_dir / "weights", gates, _accepted(accept_licenses)))
    if as_json:
        row["gates"] = [{**json.loads(gate.to_json()), "state": state} for gate, state in found]
        typer.echo(json.dumps(row, indent=2))
        return
    console().print(variant_table(row))
    console().print(gates_table(found) if found else "No gates measured here: it is served in fp32.")


@app.command()
def gate(
    name: Name,
    *,
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Precision))}.")] = "fp32",
    compilation: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Compilation))}.")] = "none",
    images: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of photographs. Default: the demo's.", show_default=False
        ),
    ] = None,
    grid: Annotated[
        int | None, typer.Option(min=1, help="Points per side. Default: the variant's.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(envvar="SAMFLEET_DEVICE", help="auto, cpu, cuda or cuda:N.")] = "auto",
    weights_dir: WeightsDir = None,
    gates_dir: GatesDir = None,
    state_dir: StateDir = Path(".samfleet"),
    as_json: AsJson = False,
) -> None:
    """Measure whether an execution's masks agree with those of fp32 on this machine; it may serve only then."""
    from samfleet_cli.model_tools import GateRun, run_gate

    try:
        execution = Execution.parse(f"{precision}+{compilation}")
    except SamfleetError as error:
        raise typer.BadParameter(error.message) from None
    wanted = GateRun(
        variant=_record(name, get_variant).name,
        execution=execution,
        weights_dir=weights_dir or state_dir / "weights",
        gates_dir=gates_dir or state_dir / "gates",
        images=images,
        grid=grid,
        device=device,
        as_json=as_json,
        compiled=state_dir / "compiled",
    )
    raise typer.Exit(run_gate(wanted))


@app.command()
def calibrate(
    name: Name,
    *,
    images: Annotated[
        Path, typer.Option(exists=True, file_okay=False, metavar="DIR", help="Photographs like those to segment.")
    ],
    most_error: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help=f"Largest relative error of the embeddings; layers beyond it stay in fp32. Default: {MOST_ERROR:g}.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of torch threads.", show_default=False)] = None,
    weights_dir: WeightsDir = None,
    gates_dir: GatesDir = None,
    state_dir: StateDir = Path(".samfleet"),
) -> None:
    """Calibrate int8 on your images: find the scales of each layer, and the layers that must stay in fp32.

    Takes up to 16 of the images. The gate of int8 then needs other images.
    """
    from samfleet_cli.model_tools import CalibrationRun, run_calibration

    wanted = CalibrationRun(
        variant=_record(name, get_variant).name,
        images=images,
        weights_dir=weights_dir or state_dir / "weights",
        gates_dir=gates_dir or state_dir / "gates",
        most_error=most_error,
        threads=threads,
    )
    raise typer.Exit(run_calibration(wanted))


@app.command()
def verify(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folders of parity cases, one per variant."),
    ],
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Default: all in DIR.")] = None,
    *,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of torch threads.", show_default=False)] = None,
) -> None:
    """Compare variants with recorded outputs of their official code, one line each. Exit code 1 if any fails.

    Runs the fill.py in DIR or above it, which generates the synthetic weights and images.
    """
    from samfleet_cli.model_tools import run_verify

    raise typer.Exit(run_verify(folder, names or [], threads))


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names shown by `samfleet variants list`.")],
    *,
    weights_dir: WeightsDir = None,
    state_dir: StateDir = Path(".samfleet"),
    accept_licenses: AcceptLicenses = "",
) -> None:
    """Download the weights of variants and check their SHA-256. Interrupted downloads are resumed.

    If no hash is published, the hash of the first download is pinned, and different files are rejected afterwards.
    """
    from samfleet.variants.weights.fit import fit_check
    from samfleet.variants.weights.pull import pull as pull_weights
    from samfleet_cli.local_stack.pull_progress import PullProgress

    folder = weights_dir or state_dir / "weights"
    records, accepted = [_record(name) for name in dict.fromkeys(names)], _accepted(accept_licenses)
    failed = False
    for record in records:
        try:
            with PullProgress(record.name) as progress:
                check = fit_check(record, folder)
                path = pull_weights(record, folder, progress=progress, accepted=accepted, check=check)
        except SamfleetError as error:
            typer.echo(f"samfleet: {error.message} [{error.code}]", err=True)
            failed = True
        else:
            typer.echo(f"{record.name}: {path}")
    if failed:
        raise typer.Exit(1)


@app.command("cancel-pull")
def cancel_pull(name: Name, *, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Cancel the pull that a server does for a request, such as one of the dashboard."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        typer.echo(f"{name}: {client.cancel_pull(name)['state']}")


@app.command("import")
def import_file(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The checkpoint as published by its authors.")],
    *,
    role: Annotated[
        str, typer.Option("--as", help="Role of the file in the variant; `show` lists the roles.")
    ] = "network",
    replace: Annotated[bool, flag("--replace", help="Pin this file instead of an earlier one.")] = False,
    weights_dir: WeightsDir = None,
    state_dir: StateDir = Path(".samfleet"),
    accept_licenses: AcceptLicenses = "",
) -> None:
    """Import weights from a file: copy it, check it against the published hash or pin it, and check that it fits."""
    from samfleet.variants.weights.fit import fit_check
    from samfleet.variants.weights.import_file import import_weights

    record, folder = _record(name), weights_dir or state_dir / "weights"
    path, sha256 = import_weights(
        record,
        file,
        folder,
        role=role,
        accepted=_accepted(accept_licenses),
        check=fit_check(record, folder),
        replace=replace,
    )
    kind = "as published" if record.files[role].sha256 else "pinned from now on"
    typer.echo(f"{record.name}: {path}, sha256 {sha256}, {kind}")


def _record(name: str, find: Callable[[str], VariantRecord] = get_record) -> VariantRecord:
    try:
        return find(name)
    except VariantNotFound as error:
        raise typer.BadParameter(error.message) from None


def _accepted(setting: str) -> frozenset[str]:
    try:
        return parse_accepted(setting)
    except LicenceUnknown as error:
        raise typer.BadParameter(error.message) from None
