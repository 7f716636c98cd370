from __future__ import annotations

from fastapi import APIRouter, Depends

from samfleet.variants.catalogue import VARIANTS, VariantNotFound, get_variant
from samfleet_api.dependencies import SettingsValue, current_tenant
from samfleet_api.problems import problems
from samfleet_api.schemas import StorableText
from samfleet_api.variants.schemas import Variant, Variants

router = APIRouter(prefix="/v1/variants", tags=["variants"], dependencies=[Depends(current_tenant)])


class VariantMissing(VariantNotFound):
    """There is no variant with this name; GET /v1/variants lists them."""

    code = "variant_not_found"
    status_code = 404


@router.get("", summary="List variants", operation_id="variant_list", responses=problems())
def list_variants(settings: SettingsValue) -> Variants:
    return Variants(
        items=[Variant.of(record, settings.accept_licenses, settings.weights_dir) for record in VARIANTS.values()]
    )


@router.get("/{name}", summary="Read a variant", operation_id="variant_read", responses=problems(VariantMissing))
def read_variant(name: StorableText, settings: SettingsValue) -> Variant:
    try:
        return Variant.of(get_variant(name), settings.accept_licenses, settings.weights_dir)
    except VariantNotFound as error:
        raise VariantMissing(error.message) from error
