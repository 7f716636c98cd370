"""Prompts files: JSON Lines, one image a line, read and validated line by line (docs/prompts.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.prompt_lines import ImagePrompts, PromptsInvalid, PromptsTooLarge, check_line

UTF8_MARK = b"\xef\xbb\xbf"  # which Windows writes at the start of a text


def read_prompt_lines(file: IO[bytes], limits: AnnotationLimits | None = None) -> Iterator[ImagePrompts]:
    """Yield the images of a prompts file, with the memory of one line; blank lines are skipped.

    Raises `PromptsInvalid` or `PromptsTooLarge`, also for a file without any prompt.
    """
    limits, prompts = limits or AnnotationLimits(), 0
    for number, text in _lines(file, limits.segmentation_bytes):
        image = check_line(f"line {number}", _parse(number, text), limits.pixels, number=number)
        prompts += image.prompt_count
        if image.prompt_count > limits.objects:
            raise PromptsTooLarge(
                f"line {number}: the image has more than {limits.objects} prompts; leave some out, or raise "
                "SAMFLEET_MAX_OBJECTS_PER_IMAGE"
            )
        if max(prompts, number) > limits.entries:
            raise PromptsTooLarge(
                f"line {number}: the file has more than {limits.entries} prompts or lines; split it, or raise "
                "SAMFLEET_MAX_ANNOTATIONS"
            )
        yield image
    if not prompts:
        raise PromptsInvalid("the file has no prompts; write one line per image, with points or a box of its objects")


def _lines(file: IO[bytes], most: int) -> Iterator[tuple[int, bytes]]:
    number = 0
    while text := file.readline(most + 1):
        number += 1
        if len(text) > most:
            raise PromptsTooLarge(
                f"line {number} has more than {most} bytes; leave some of its prompts out, or raise "
                "SAMFLEET_MAX_ANNOTATION_BYTES_PER_IMAGE"
            )
        if number == 1:
            text = text.removeprefix(UTF8_MARK)
        if text.strip():
            yield number, text


def _parse(number: int, text: bytes) -> Any:
    try:
        return json.loads(text.decode(), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise PromptsInvalid(f"line {number} is not UTF-8 text ({error.reason})") from error
    except RecursionError as error:
        raise PromptsInvalid(f"line {number} is nested too deeply") from error
    except ValueError as error:
        raise PromptsInvalid(f"line {number} is not JSON: {error}; write one JSON object per line") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
