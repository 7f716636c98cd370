"""Measures points on the embedded stack, which is started with the settings of each point."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.image_schemas import ImageResult
from samfleet.client.local_source import Source
from samfleet.client.schemas import Job
from samfleet.client.transport import ApiError
from samfleet.client.wait import follow_job
from samfleet.errors import Conflict, SamfleetError
from samfleet_cli.connection import ApiChoice, connect_or_start, prepare
from samfleet_cli.local_stack.stack import StackDidNotStart, running_stack
from samfleet_cli.tuning.figures import Figures
from samfleet_cli.tuning.images import SweepImages
from samfleet_cli.tuning.points import Point
from samfleet_cli.tuning.rounds import Masks, Rounds, masks_of
from samfleet_cli.tuning.search import BudgetOver, PointFailed
from samfleet_cli.tuning.state import TuneState

_WITH_RESULTS = frozenset({"completed", "completed_with_errors"})


class TuneNeedsOwnStack(Conflict):
    """`tune` starts its own stacks, with other settings; no stack may run in the state directory meanwhile."""

    code = "tune_needs_own_stack"


@dataclass(slots=True)
class StackBench:
    """Measures a variant's points. Each point has its own stack, and each of its rounds is an ordinary job.

    `seconds_left` is the rest of the budget. `state` receives the jobs and the baseline's run, and is saved in
    `folder`. `shard_size` images are in a shard at most: a round needs several shards for several images in flight.
    """

    choice: ApiChoice
    variant: str
    task: Mapping[str, Any]
    images: SweepImages
    state: TuneState
    folder: Path
    seconds_left: Callable[[], float]
    rounds_of_a_point: int = 2
    shard_size: int = 2
    say: Callable[[str], None] = lambda _message: None
    reference: Masks | None = field(default=None, init=False)
    _is_prepared: bool = field(default=False, init=False)

    def rounds(self, point: Point) -> Generator[Figures, None, None]:
        require_no_stack(self.choice.state_dir)
        self.say(f"{point.words}: starting a stack")
        own = {"SAMFLEET_VARIANTS": self.variant, "SAMFLEET_SHARD_SIZE": str(self.shard_size)}
        try:
            with variables({**point.environment(self.variant), **own}):
                if not self._is_prepared:
                    prepare(self.choice, (self.variant,))
                    self._is_prepared = True
                with connect_or_start(self.choice, _say_nothing) as connection:
                    yield from self._rounds(connection.client, point)
        except StackDidNotStart as error:
            raise PointFailed(error.message.partition("\n")[0]) from error  # the ends of logs follow

    def _rounds(self, client: SamfleetClient, point: Point) -> Generator[Figures, None, None]:
        rounds = Rounds(self._reference(client))
        self._carry_out(client, point, self.images.warmup, "warm-up")
        for number in range(1, self.rounds_of_a_point + 1):
            job = self._carry_out(client, point, self.images.round, f"round {number}")
            (run,) = job.runs
            images = list(_results(client, job))
            if not images or run.images_per_second is None:
                raise PointFailed(f"{point.words}: no image was segmented; see `samfleet jobs errors {job.id}`")
            self._require_same_machine(job)
            rounds.add(images, run.images_per_second)
            self.state.jobs.setdefault(point.key, []).append(job.id)
            if self.state.reference_run is None:
                self.state.reference_run, self.reference = run.id, rounds.reference
            self.state.save(self.folder)
            if figures := rounds.figures():
                yield figures

    def _reference(self, client: SamfleetClient) -> Masks | None:
        """Return the baseline's masks, from the server if an earlier command measured them."""
        if self.reference is None and self.state.reference_run is not None:
            job = client.job(client.run(self.state.reference_run).job_id)
            self.reference = masks_of(list(_results(client, job)))
        return self.reference

    def _carry_out(self, client: SamfleetClient, point: Point, source: Source, what: str) -> Job:
        self.say(f"{point.words}: {what}")
        job = client.submit_job(
            self._dataset(client, source),
            [self.variant],
            self.task,
            name=f"tune {self.variant}: {point.words}, {what}",
            labels={"tune/sweep": self.state.id, **point.labels()},
        )

        def check(_job: Job) -> None:
            if self.seconds_left() <= 0:
                raise BudgetOver

        try:
            job = follow_job(client, job.id, check)
        except BaseException:  # Ctrl-C too: the job must not go on with the next stack
            with suppress(SamfleetError):
                client.cancel_job(job.id)
            raise
        if job.state not in _WITH_RESULTS:
            raise PointFailed(f"{point.words}: {'; '.join(job.reasons) or f'the job was {job.state}'}")
        return job

    def _dataset(self, client: SamfleetClient, source: Source) -> str:
        name = source.dataset_name or ""
        if known := self.state.datasets.get(name):
            try:
                return client.dataset(known).id
            except ApiError as error:
                if error.problem_code != "dataset_not_found":
                    raise
        made = create_dataset(client, source)
        self.state.datasets[name] = made.id
        self.state.save(self.folder)
        return made.id

    def _require_same_machine(self, job: Job) -> None:
        """Note the device of the first job. Raises `PointFailed` for another device."""
        hardware = {one.id: one for run in job.runs for one in run.hardware}
        for one in hardware.values():
            if self.state.hardware is None:
                self.state.hardware, self.state.device_kind = one.device_name, one.device_kind
            if one.device_name != self.state.hardware:
                raise PointFailed(f"this point ran on {one.device_name}, the baseline on {self.state.hardware}")


def require_no_stack(state_dir: Path) -> None:
    """Raise `TuneNeedsOwnStack` if a stack runs with this state directory."""
    if running := running_stack(state_dir):
        raise TuneNeedsOwnStack(
            f"a stack runs in {running.state_dir}; tune would have to restart it with other settings for each point, "
            "and its jobs would be measured too. Stop it with `samfleet down`, or name another folder with "
            "SAMFLEET_STATE_DIR and make sure that the running stack has nothing to do"
        )


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the stacks that the block starts."""
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _results(client: SamfleetClient, job: Job) -> Iterator[ImageResult]:
    """Yield the images of the job's only run that were segmented, with their masks and times."""
    (run,) = job.runs
    for image in client.dataset_images(job.dataset_id):
        result = client.image_result(run.id, image.image_id)
        if result.outcome == "succeeded":
            yield result


def _say_nothing(_message: str) -> None:
    """Ignore the messages of stacks that start and stop: there is one for each point."""
