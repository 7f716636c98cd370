"""A survey from its plan to its report, on a given API or on stacks that are started for it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from samfleet.client.client import SamfleetClient
from samfleet.variants.catalogue import VARIANTS
from samfleet.variants.stand_ins import is_stand_in
from samfleet_cli.connection import ApiChoice, connect, connect_or_start, prepare
from samfleet_cli.jobs.output_folder import require_out
from samfleet_cli.local_stack.sharing import is_temporary
from samfleet_cli.local_stack.stack import running_stack
from samfleet_cli.survey.cells import HostedVariant, cells_of
from samfleet_cli.survey.plan import HERE, STAND_INS, Plan
from samfleet_cli.survey.progress import LiveProgress, PlainProgress
from samfleet_cli.survey.report import write_report
from samfleet_cli.survey.run import SurveyRun
from samfleet_cli.survey.state import SurveyState

EXECUTION = "SAMFLEET_EXECUTION"


@dataclass(frozen=True, slots=True)
class Finished:
    """Numbers of cells by status, and the files of the report."""

    counts: Mapping[str, int]
    files: Sequence[Path]


def run_survey(choice: ApiChoice, plan: Plan, out: Path, progress: LiveProgress | PlainProgress) -> Finished:
    """Carry out what is left of a survey in the folder `out` and write its report.

    Without an API and a running stack, a stack is started for each execution of the plan, because an execution is a
    setting of the server.
    """
    require_out(out, (), force=True)
    state = SurveyState.load(out)
    state.title = plan.title
    files: Sequence[Path] = ()
    with progress:
        for execution in _rounds(choice, plan):
            with _served(execution):
                prepare(choice, _named_variants(plan))
                with connect_or_start(choice, progress.say) as connection:
                    _round(connection.client, plan, state, out, progress, execution)
                    files = write_report(connection.client, state, out)
    return Finished(Counter(entry.status for entry in state.cells.values()), files)


def report_survey(choice: ApiChoice, out: Path) -> Sequence[Path]:
    """Write the report of a survey again, from the measurements that are there now."""
    state = SurveyState.load(out)
    with connect(choice) as client:
        return write_report(client, state, out)


def _round(
    client: SamfleetClient,
    plan: Plan,
    state: SurveyState,
    out: Path,
    progress: LiveProgress | PlainProgress,
    execution: str | None,
) -> None:
    """Measure all cells, or only those of one execution on a stack that was started for it."""
    hosted = [HostedVariant.of(item) for item in client.variants()]
    planned = cells_of(plan, hosted)
    state.keep({cell.key for cell in planned})
    cells = [cell for cell in planned if execution in {None, cell.execution}]
    SurveyRun(client, plan, state, out, progress).run(cells)


def _rounds(choice: ApiChoice, plan: Plan) -> list[str | None]:
    """Return the executions that need a stack each; None alone if the servers are there already."""
    executions = dict.fromkeys(one for block in plan.measurements for one in block.executions or (None,))
    lasting = choice.api_url or (running_stack(choice.state_dir) and not is_temporary(choice.state_dir))
    return [None] if lasting else list(executions)


@contextmanager
def _served(execution: str | None) -> Iterator[None]:
    """Let stacks started in the block serve this execution."""
    former = os.environ.get(EXECUTION)
    if execution is not None:
        os.environ[EXECUTION] = execution
    try:
        yield
    finally:
        if former is None:
            os.environ.pop(EXECUTION, None)
        else:
            os.environ[EXECUTION] = former


def _named_variants(plan: Plan) -> list[str]:
    """Return the variants whose weights a new stack needs: those that the plan names, and stand-ins known here."""
    named = list(dict.fromkeys(name for block in plan.measurements for name in block.variants))
    stand_ins = [name for name in VARIANTS if is_stand_in(name)] if STAND_INS in named else []
    return [name for name in named if name not in {HERE, STAND_INS}] + stand_ins
