"""Download of weights before the embedded Triton starts, because it looks for them when it loads."""

from __future__ import annotations

from collections.abc import Iterable

from samfleet.config import Settings
from samfleet.variants.catalogue import get_variant
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.settings import StackSettings


def pull_missing(settings: Settings, stack: StackSettings, variants: Iterable[str] = ()) -> None:
    """Download missing weights of the stack's variants and of `variants`, with a progress bar on stderr. An external
    Triton has its own weights.
    """
    records = [get_variant(name) for name in dict.fromkeys((*stack.variants, *variants))]
    if "pools" in settings.model_fields_set:
        return
    from samfleet.variants.weights.pull import pull
    from samfleet_cli.local_stack.pull_progress import PullProgress

    own = StateDir(stack.state_dir.resolve()).weights
    for record in records:
        folder = settings.weights_dir if "weights_dir" in settings.model_fields_set else own
        with PullProgress(record.name) as progress:
            pull(record, folder, progress=progress, accepted=settings.accept_licenses)
