"""A user's own variants, one YAML file each.

A file describes an encoder/decoder pair of ONNX graphs (docs/variants-onnx.md), with `like` weights for the
architecture of a hosted variant (`samfleet.variants.trained_records`), or with `fixed` no model at all
(`samfleet.variants.fixed_records`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from samfleet.errors import InvalidInput, SamfleetError
from samfleet.licences import FREE, OWN, RESTRICTED, restricted_parts
from samfleet.regular_files import open_regular
from samfleet.variants.conventions import Conventions, Preprocessing, PromptRules
from samfleet.variants.fixed_records import FIXED, fixed_record
from samfleet.variants.graphs import DIALECTS, DecoderGraph, EncoderGraph, mask_rules
from samfleet.variants.record import Checkpoint, FileSource, HttpsSource, Paper, VariantRecord
from samfleet.variants.task import EverythingParameters, Sampler
from samfleet.variants.trained_records import NETWORK, ORIGIN, TrainedFacts, own_prompts, trained_record
from samfleet.variants.typed_fields import FieldInvalid, changed, mapping, value_of
from samfleet.variants.weights.verify import file_sha256

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SHA256 = re.compile(r"[0-9a-f]{64}")
SUFFIXES = (".onnx", ".ort")
LOCATION = ("file", "url", "sha256", "size_bytes")
FILES = ("encoder", "decoder")
RULES = ("preprocessing", "prompts", "masks", "everything", "paper")
SIDES = range(64, 4097)
MAX_FILE_BYTES = 2**20  # a thousand times the size of the examples


class VariantFileInvalid(InvalidInput):
    """A file of the variants folder does not describe a variant."""

    code = "variant_file_invalid"


@dataclass(frozen=True, slots=True)
class _Facts:
    """Plain values at the top level of a file."""

    title: str = ""
    dialect: str = ""
    input_size: int = 1024
    code_licence: str = OWN
    weights_licence: str = OWN
    repository: str = ""
    max_batch_size: int = 8


@dataclass(frozen=True, slots=True)
class _FixedFacts:
    title: str = ""


def read_variants(folder: Path, known: Mapping[str, VariantRecord] | None = None) -> tuple[VariantRecord, ...]:
    """Read the variants of all `<name>.yaml` files in a folder, by name. `known` are those that `like` may name."""
    if not folder.is_dir():
        raise VariantFileInvalid(f"{folder} is not a folder; create it or correct SAMFLEET_VARIANTS_DIR")
    return tuple(read_variant(path, known) for path in sorted(folder.iterdir()) if path.suffix in {".yaml", ".yml"})


def read_variant(path: Path, known: Mapping[str, VariantRecord] | None = None) -> VariantRecord:
    import yaml  # here: the model code runs on machines without yaml, which have no such files

    try:
        with open_regular(path) as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise FieldInvalid(f"the file has more than {MAX_FILE_BYTES} bytes, more than any variant needs")
        content = yaml.safe_load(text.decode())
        return _record(path, mapping(content, "the file"), known or {})
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise VariantFileInvalid(f"{path} cannot be read as YAML: {error}") from error
    except SamfleetError as error:
        raise VariantFileInvalid(f"{path}: {error.message}") from error


def _record(path: Path, content: Mapping[str, object], known: Mapping[str, VariantRecord]) -> VariantRecord:
    if not NAME.fullmatch(path.stem):
        raise FieldInvalid("the file's name is the name of the variant; use a to z, 0 to 9, _ and - in it")
    if FIXED in content:
        given = {name: value for name, value in content.items() if name != FIXED}
        return fixed_record(path, changed(_FixedFacts(), given, "variant").title, content[FIXED])
    trained = "like" in content
    names = (NETWORK, ORIGIN, *RULES) if trained else (*FILES, *RULES)
    sections = {name: content[name] for name in names if name in content}
    rest = {name: value for name, value in content.items() if name not in sections}
    if trained:
        return _trained(path, rest, sections, known)
    facts = changed(_Facts(), rest, "variant")
    encoder, decoder = _graphs(facts.dialect, {name: mapping(sections.get(name), name) for name in FILES})
    _check_facts(facts.weights_licence, facts.input_size)
    prompts = own_prompts(DIALECTS[facts.dialect].prompts, sections.get("prompts", {}))
    record = VariantRecord(
        name=path.stem,
        title=facts.title or path.stem,
        family="onnx",
        architecture={"encoder": encoder, "decoder": decoder},
        checkpoint=_checkpoint(path, "encoder", sections["encoder"]),
        companions={"decoder": _checkpoint(path, "decoder", sections["decoder"])},
        input_size=facts.input_size,
        code_licence=facts.code_licence,
        weights_licence=facts.weights_licence,
        repository=facts.repository,
        paper=changed(Paper("Segment Anything", "2304.02643"), sections.get("paper", {}), "paper"),
        max_batch_size=facts.max_batch_size,
    )
    return replace(
        record,
        conventions=Conventions(
            preprocessing=changed(Preprocessing(), sections.get("preprocessing", {}), "preprocessing"),
            prompts=prompts,
            masks=changed(mask_rules(decoder.mask_count), sections.get("masks", {}), "masks"),
            samplers=_samplers(prompts),
        ),
        everything=changed(EverythingParameters(), sections.get("everything", {}), "everything"),
    )


def _trained(
    path: Path, facts: Mapping[str, object], sections: Mapping[str, object], known: Mapping[str, VariantRecord]
) -> VariantRecord:
    record = trained_record(
        path.stem,
        changed(TrainedFacts(), facts, "variant"),
        sections,
        known,
        lambda section, values, suffixes: _checkpoint(path, section, values, suffixes),
    )
    _check_facts(record.weights_licence, record.input_size)
    return record


def _check_facts(weights_licence: str, input_size: int) -> None:
    if unknown := [part for part in restricted_parts(weights_licence) if part not in RESTRICTED]:
        raise FieldInvalid(
            f"variant.weights_licence has {', '.join(unknown)}; write {', '.join(sorted({*FREE, *RESTRICTED}))}, where "
            f"{OWN} means terms that you have read and accept"
        )
    if input_size not in SIDES:
        raise FieldInvalid(f"variant.input_size is {input_size}; write the side of the encoder's input in pixels")


def _samplers(prompts: PromptRules) -> tuple[Sampler, ...]:
    """Return the samplers whose prompts the graphs take."""
    known = Conventions().samplers
    return tuple(name for name in known if (prompts.boxes if name == "object_aware" else prompts.points))


def _graphs(dialect: str, sections: Mapping[str, Mapping[str, object]]) -> tuple[EncoderGraph, DecoderGraph]:
    """Return the dialect's graphs, with the names that the sections override."""
    if dialect not in DIALECTS:
        raise FieldInvalid(f"variant.dialect is {dialect or 'missing'}; write one of {', '.join(DIALECTS)}")
    own = {
        section: {name: value for name, value in values.items() if name not in LOCATION}
        for section, values in sections.items()
    }
    known = DIALECTS[dialect]
    encoder = changed(known.encoder, own["encoder"], "encoder")
    decoder = changed(known.decoder, own["decoder"], "decoder")
    if len(encoder.features) != len(decoder.features):
        raise FieldInvalid(
            f"encoder.features has {len(encoder.features)} names and decoder.features {len(decoder.features)}; name "
            "as many in both, in the same order"
        )
    return encoder, decoder


def _checkpoint(path: Path, section: str, values: object, suffixes: tuple[str, ...] = SUFFIXES) -> Checkpoint:
    given = mapping(values, section)
    location = {name: value_of(str, given[name], f"{section}.{name}") for name in ("file", "url") if name in given}
    if len(location) != 1:
        raise FieldInvalid(f"{section} has {len(location)} of file and url; write one of them")
    source, suffix = _source(path, section, **location)
    if suffix not in suffixes:
        raise FieldInvalid(
            f"{section} is a {suffix or 'nameless'} file; use one with a name that ends in {' or '.join(suffixes)}"
        )
    sha256 = given.get("sha256")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        known = source.path if isinstance(source, FileSource) and source.path.is_file() else None
        advice = f"write sha256: {file_sha256(known)}" if known else "write the output of `sha256sum` for the file"
        raise FieldInvalid(f"{section}.sha256 is {sha256 or 'missing'}; {advice}")
    size = value_of(int | None, given.get("size_bytes"), f"{section}.size_bytes")
    return Checkpoint(f"{path.stem}.{section}{suffix}", size, sha256, (source,), layout="onnx")


def _source(
    path: Path, section: str, file: str | None = None, url: str | None = None
) -> tuple[FileSource | HttpsSource, str]:
    """Return the source and its suffix. Paths are relative to the YAML file's folder."""
    if file is not None:
        found = (path.parent / Path(file).expanduser()).absolute()
        return FileSource(found), found.suffix
    parts = urlsplit(str(url))
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise FieldInvalid(f"{section}.url is {url}; write an address that begins with https://")
    return HttpsSource(str(url)), Path(parts.path).suffix
