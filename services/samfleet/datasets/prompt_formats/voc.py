"""Labels of Pascal VOC: an XML file per image, with boxes in pixels.

Coordinates are taken as they are: the original dataset counts pixels from 1, most tools from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, parse

from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsUnreadable, files_of, numbers_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(path: Path) -> Iterator[ForeignImage]:
    for file in files_of(path, ".xml"):
        root = _root(file)
        name = (root.findtext("filename") or "").strip()
        if not name:
            raise LabelsUnreadable(f"{file} does not name its image (filename)")
        objects = [_object(f"{file}, object {n}", n, one) for n, one in enumerate(root.findall("object"), start=1)]
        yield ForeignImage(str(file), name, objects)


def _root(file: Path) -> Element:
    try:
        root: Element | None = parse(file).getroot()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise LabelsUnreadable(f"{file} is not XML without entities: {error!r}"[:300]) from error
    if root is None or root.tag != "annotation":
        raise LabelsUnreadable(f"{file} is not of Pascal VOC: its outer element is not annotation")
    return root


def _object(where: str, number: int, one: Element) -> dict[str, Any]:
    box = one.find("bndbox")
    if box is None:
        raise LabelsUnreadable(f"{where} has no bndbox")
    name = (one.findtext("name") or "").strip()
    category = {"category": name} if name else {}
    return {"id": number, **category, "box": numbers_of(where, [box.findtext(corner) for corner in CORNERS])}
