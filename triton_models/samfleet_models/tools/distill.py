"""Distils a hosted variant into a student: `python -m samfleet_models.tools.distill STUDENT --teacher NAME ...`.

`samfleet distill` runs it. It needs only torch, numpy, pillow, scipy and pycocotools, so it runs on a machine that has
just those and a GPU. Exit codes: 0 done, 1 an error, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.licences import SETTING, parse_accepted
from samfleet.variants.catalogue import VARIANTS, VariantNameTaken, add_variants_of, get_variant
from samfleet.variants.user_records import NAME
from samfleet.variants.weights.verify import verified_weights
from samfleet_models.device.hardware import choose_device, prepare_device
from samfleet_models.distillation.plan import DistillPlanInvalid, Plan
from samfleet_models.distillation.run import Order, distill
from samfleet_models.serving.utf8 import use_utf8


class DistillNameInvalid(InvalidInput):
    """The name of the new variant is not usable; use a to z, 0 to 9, _ and -."""

    code = "distill_name_invalid"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    use_utf8()
    try:
        path = _distill(options)
    except SamfleetError as error:
        print(f"samfleet: {error.message} [{error.code}]", file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    print(path)  # noqa: T201 - this is a command
    return 0


def _distill(options: argparse.Namespace) -> Path:
    own = os.environ.get("SAMFLEET_VARIANTS_DIR")
    add_variants_of(Path(own) if own else None)
    student, teacher = get_variant(options.student), get_variant(options.teacher)
    teacher.require_accepted(parse_accepted(os.environ.get(SETTING, "")))
    name = options.name or f"{student.name}_from_{teacher.name}"
    _check_name(name, options.out)
    plan = _plan(options)
    device = choose_device(options.device)
    prepare_device(device, options.threads)
    order = Order(
        student=student,
        teacher=teacher,
        checkpoint=verified_weights(options.weights_dir, teacher),
        images=options.images,
        out=options.out,
        name=name,
        input_size=options.input_size,
        device=str(device),
        cache_bytes=int(options.cache_gb * 2**30),
        max_minutes=options.max_minutes,
    )
    return distill(order, plan, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - progress


def _check_name(name: str, out: Path) -> None:
    if not NAME.fullmatch(name):
        raise DistillNameInvalid(f"--name is {name!r}; {DistillNameInvalid.__doc__}")
    if name in VARIANTS and not (out / f"{name}.yaml").exists():
        raise VariantNameTaken(f"there is a variant called {name!r} already; give another --name")


def _plan(options: argparse.Namespace) -> Plan:
    if options.max_minutes is not None and options.max_minutes <= 0:
        raise DistillPlanInvalid(f"--max-minutes is {options.max_minutes}; write a number above 0")
    return Plan(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.lr,
        seed=options.seed,
        validation=options.validation,
        samples_per_image=options.samples,
        grid=options.grid,
        patience=options.patience,
        amp=options.amp,
    )


def _parser() -> argparse.ArgumentParser:
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m samfleet_models.tools.distill", description=(__doc__ or "").split(":", 1)[0]
    )
    parser.add_argument("student")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name")
    parser.add_argument("--weights-dir", type=Path, required=True)
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--cache-gb", type=float, default=20.0)
    parser.add_argument("--max-minutes", type=float)
    parser.add_argument("--epochs", type=int, default=plan.epochs)
    parser.add_argument("--batch-size", type=int, default=plan.batch_size)
    parser.add_argument("--lr", type=float, default=plan.learning_rate)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--validation", type=float, default=plan.validation)
    parser.add_argument("--samples", type=int, default=plan.samples_per_image)
    parser.add_argument("--grid", type=int, default=plan.grid)
    parser.add_argument("--patience", type=int)
    parser.add_argument("--amp", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
