"""Reply of `GET /v1/reports/advise`."""

from __future__ import annotations

import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.advice.advise import Answer
from samfleet.advice.candidates import Candidate
from samfleet.advice.figures import MEASURES, Check, Evidence, Figure, Verdict
from samfleet.advice.hints import Hint
from samfleet.advice.next_steps import Step as NextStep
from samfleet.advice.ranking import Ranked, Status
from samfleet.advice.settings import Settings
from samfleet.advice.words import check_words, evidence_words, value_words

_STEP: dict[str, Any] = {
    "variant": "repvit_sam",
    "command": "samfleet segment FOLDER --variant repvit_sam --task box --annotations INSTANCES.json --out out",
    "reason": "not measured here; its published mIoU is 0.751, that of mobile_sam 0.734",
    "job": None,
}
_SETTINGS: dict[str, Any] = {
    "environment": {"SAMFLEET_EXECUTION": "mobile_sam=bf16"},
    "job": {"variants": ["mobile_sam"], "task": {"kind": "prompts", "prompt": "box", "from": "annotations"}},
    "command": "samfleet segment FOLDER --variant mobile_sam --task box --annotations INSTANCES.json --out out",
}


class AdviceFigure(BaseModel):
    """A figure with its evidence."""

    measure: str = Field(examples=["latency"])
    title: str
    value: float | None = Field(description="Null if unknown; `where` then has the reason.")
    unit: str
    n: int | None = Field(description="Number of images or objects behind the figure.")
    counted: str = Field(description="What `n` counts: `images` or `objects`.")
    low: float | None = Field(description="Lower end of the 95 % interval; null where there is none.")
    high: float | None
    evidence: Evidence
    where: str = Field(description="Another machine or site, the source of a published figure, or a reason.")
    value_in_words: str | None
    evidence_in_words: str = Field(description="Interval, n and evidence.")

    @classmethod
    def of(cls, figure: Figure) -> AdviceFigure:
        measure = MEASURES[figure.measure]
        return cls(
            measure=figure.measure,
            title=measure.title,
            value=figure.value,
            unit=figure.unit or measure.unit,
            n=figure.n,
            counted=figure.counted,
            low=figure.low,
            high=figure.high,
            evidence=figure.evidence,
            where=figure.where,
            value_in_words=None if figure.value is None else value_words(figure.measure, figure.value, figure.unit),
            evidence_in_words=evidence_words(figure),
        )


class AdviceCheck(BaseModel):
    """A constraint applied to a candidate."""

    measure: str
    verdict: Verdict
    limit: float | None = Field(description="Null for the preferred figure, which must be measured, and for licences.")
    words: str
    figure: AdviceFigure

    @classmethod
    def of(cls, check: Check) -> AdviceCheck:
        figure = AdviceFigure.of(check.figure)
        words = check_words(check)
        return cls(measure=check.measure, verdict=check.verdict, limit=check.limit, words=words, figure=figure)


class AdviceHint(BaseModel):
    """A published or counted figure, or one of other hardware. It meets no constraint."""

    measure: str
    value: float
    unit: str
    source: str
    words: str

    @classmethod
    def of(cls, hint: Hint) -> AdviceHint:
        words = f"{hint.value:.3g} {hint.unit}".rstrip()
        if hint.measure in MEASURES:
            words = value_words(hint.measure, hint.value, hint.unit)
        return cls(measure=hint.measure, value=hint.value, unit=hint.unit, source=hint.source, words=words)


class AdviceCandidate(BaseModel):
    """A variant in one execution on one machine, pool and site."""

    rank: int
    status: Status
    reason: str = Field(description="What excludes the candidate or keeps it from being recommended.")
    variant: str
    title: str
    execution: str = Field(examples=["fp32", "fp16+compile"])
    hardware: str | None
    hardware_id: uuid.UUID | None
    pool: str | None
    site: str | None = Field(description="`local` is this one; null if it was not measured.")
    task_in_words: str
    code_version: str | None
    failures: int
    older: int = Field(description="Older measurements of the same variant, execution, machine and task, left out.")
    code_licence: str | None
    weights_licence: str | None
    checks: list[AdviceCheck]
    figures: list[AdviceFigure]
    hints: list[AdviceHint]

    @classmethod
    def of(cls, place: int, ranked: Ranked) -> AdviceCandidate:
        one, record = ranked.candidate, ranked.candidate.record
        return cls(
            rank=place,
            status=ranked.status,
            reason=ranked.reason,
            variant=one.variant,
            title=record.title if record else one.variant,
            execution=one.execution,
            hardware=one.machine.name if one.machine else None,
            hardware_id=one.hardware_id,
            pool=one.pool,
            site=one.site,
            task_in_words=one.task_in_words,
            code_version=one.measurement.code_version if one.measurement else None,
            failures=one.measurement.failures if one.measurement else 0,
            older=one.older,
            code_licence=record.code_licence if record else None,
            weights_licence=record.weights_licence if record else None,
            checks=[AdviceCheck.of(check) for check in ranked.checks],
            figures=_figures(one),
            hints=[AdviceHint.of(hint) for hint in one.hints],
        )


class AdviceStep(BaseModel):
    """A measurement that could change the answer."""

    variant: str
    command: str = Field(description="Replace the names in capitals.")
    reason: str
    job: dict[str, Any] | None = Field(description="Body of POST /v1/jobs that measures it on the answer's dataset.")

    @classmethod
    def of(cls, step: NextStep) -> AdviceStep:
        job = dict(step.job) if step.job is not None else None
        return cls(variant=step.variant, command=step.command, reason=step.reason, job=job)


class AdviceSurvey(BaseModel):
    """A survey that measures several variants that could change the answer."""

    model_config = ConfigDict(from_attributes=True)

    variants: list[str] = Field(description="The most promising first.")
    command: str = Field(description="Replace the names in capitals.")
    reason: str


class AdviceSettings(BaseModel):
    """Settings of the recommended candidate."""

    environment: dict[str, str] = Field(description="For the server and its Triton; empty if the defaults do.")
    job: dict[str, Any] = Field(description="Body of POST /v1/jobs without `dataset_id`.")
    command: str

    @classmethod
    def of(cls, settings: Settings) -> AdviceSettings:
        return cls(environment=dict(settings.environment), job=dict(settings.job), command=settings.command)


class Advice(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recommended": True,
                    "summary": "mobile_sam in bf16 on NVIDIA L4: mIoU 0.741 (552 objects, measured here)",
                    "hardware": "NVIDIA L4",
                    "dataset": "coco_dev",
                    "notes": ["all figures are of the dataset coco_dev: it was asked for"],
                    "candidates": [],
                    "settings": _SETTINGS,
                    "steps": [_STEP],
                    "steps_left_out": 0,
                    "survey": None,
                }
            ]
        }
    )

    recommended: bool = Field(description="Whether measurements meet all constraints for the first candidate.")
    summary: str
    hardware: str = Field(description="The chosen hardware in words.")
    dataset: str | None = Field(description="The dataset of all measured figures; null if nothing was measured.")
    notes: list[str]
    candidates: list[AdviceCandidate] = Field(description="The best first.")
    settings: AdviceSettings | None = Field(description="Null if nothing is recommended.")
    steps: list[AdviceStep] = Field(description="What to measure next, the most promising first.")
    steps_left_out: int
    survey: AdviceSurvey | None = Field(
        description="One command for all unmeasured variants of the steps, also those left out; null for fewer than "
        "two."
    )

    @classmethod
    def of(cls, answer: Answer) -> Advice:
        return cls(
            recommended=answer.settings is not None,
            summary=answer.summary,
            hardware=answer.hardware,
            dataset=answer.dataset,
            notes=list(answer.notes),
            candidates=[AdviceCandidate.of(place, one) for place, one in enumerate(answer.ranked, start=1)],
            settings=AdviceSettings.of(answer.settings) if answer.settings else None,
            steps=[AdviceStep.of(step) for step in answer.steps],
            steps_left_out=answer.steps_left_out,
            survey=AdviceSurvey.model_validate(answer.survey) if answer.survey else None,
        )


def _figures(candidate: Candidate) -> list[AdviceFigure]:
    return [AdviceFigure.of(candidate.figures[name]) for name in MEASURES if name in candidate.figures]
