"""The tags of a project's labelling interface that take masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from label_studio_sdk.label_interface import LabelInterface

from samfleet.errors import InvalidInput
from samfleet.masks.label_studio import BRUSHES, POLYGONS, RegionForm

FORMS = {form.kind: form for form in (BRUSHES, POLYGONS)}  # in the order of preference


class InterfaceUnsupported(InvalidInput):
    """The labelling interface has no BrushLabels or PolygonLabels with labels for an Image; add such a tag."""

    code = "labelling_interface_unsupported"


@dataclass(frozen=True, slots=True)
class MaskTag:
    """A tag for masks. `name` and `image` are its name and that of its image, `key` is the image's in a task's data."""

    name: str
    image: str
    key: str
    labels: tuple[str, ...]
    form: RegionForm


def mask_tag(config: str) -> MaskTag:
    """Return the first tag for brushes on an image, or else the first for polygons.

    Raises `InterfaceUnsupported` if there is none, or if `config` is no labelling interface.
    """
    try:
        interface = LabelInterface(config)
        found: dict[str, tuple[Any, Any]] = {}
        for control in interface.controls:
            image = interface.get_object(control.to_name[0])
            kind = control.tag.lower()
            if kind in FORMS and image.tag == "Image" and control.labels and (image.value or "").startswith("$"):
                found.setdefault(kind, (control, image))
    except Exception as error:  # the SDK raises exceptions of many types, also bare ones
        raise InterfaceUnsupported(f"the labelling interface cannot be read: {error}") from error
    for kind, form in FORMS.items():
        if kind in found:
            control, image = found[kind]
            return MaskTag(control.name, image.name, image.value[1:], tuple(control.labels), form)
    raise InterfaceUnsupported
