from __future__ import annotations

from dataclasses import replace

import pytest

from samfleet.config import Settings
from samfleet.licences import (
    FREE,
    RESTRICTED,
    LicenceNotAccepted,
    LicenceUnknown,
    parse_accepted,
    require_accepted,
    restricted_parts,
)
from samfleet.variants.catalogue import VARIANTS, get_variant
from samfleet.variants.record import VariantRecord


def test_the_setting_accepts_names_of_licences_that_need_acceptance() -> None:
    assert parse_accepted("") == frozenset()
    assert parse_accepted(" AGPL-3.0 ,S-Lab-1.0,") == {"AGPL-3.0", "S-Lab-1.0"}
    with pytest.raises(LicenceUnknown, match=r"names GPL-9; the restricted licences are AGPL-3\.0, S-Lab-1\.0"):
        parse_accepted("AGPL-3.0,GPL-9")


def test_settings_refuse_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_ACCEPT_LICENSES", "S-Lab-1.0")
    assert Settings().accept_licenses == {"S-Lab-1.0"}
    monkeypatch.setenv("SAMFLEET_ACCEPT_LICENSES", "all")
    with pytest.raises(ValueError, match="names all; the restricted licences"):
        Settings()


@pytest.mark.parametrize(
    ("licence", "parts"),
    [
        ("Apache-2.0", ()),
        ("AGPL-3.0-or-later", ("AGPL-3.0",)),
        ("Apache-2.0 AND AGPL-3.0 AND S-Lab-1.0", ("AGPL-3.0", "S-Lab-1.0")),
        ("Something", ("Something",)),
    ],
)
def test_licences_that_need_acceptance(licence: str, parts: tuple[str, ...]) -> None:
    assert restricted_parts(licence) == parts


def test_a_refusal_names_the_setting() -> None:
    record = replace(get_variant("mobile_sam"), name="edgesam", weights_licence="S-Lab-1.0")
    record.require_accepted({"S-Lab-1.0"})
    with pytest.raises(LicenceNotAccepted) as raised:
        record.require_accepted({"AGPL-3.0"})
    assert raised.value.message == (
        "the weights of edgesam are under S-Lab-1.0, which allows no commercial use; "
        "if you accept that, set SAMFLEET_ACCEPT_LICENSES=AGPL-3.0,S-Lab-1.0"
    )


def test_a_licence_not_known_to_be_free_is_refused() -> None:
    with pytest.raises(LicenceNotAccepted, match="which is not known to be free"):
        require_accepted("these", "Proprietary", RESTRICTED)


@pytest.mark.parametrize("record", VARIANTS.values(), ids=list(VARIANTS))
def test_every_record_names_known_licences(record: VariantRecord) -> None:
    for licence in (record.code_licence, record.weights_licence):
        assert set(restricted_parts(licence)) <= set(RESTRICTED), f"{licence}: known are {sorted({*FREE, *RESTRICTED})}"
