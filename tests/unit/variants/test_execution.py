from __future__ import annotations

import pytest

from samfleet.variants.execution import Execution, ExecutionInvalid, Executions

KNOWN = ("mobile_sam", "sam_vit_b")


@pytest.mark.parametrize(
    "text",
    ["fp32", "bf16", "int8", "fp16+compile", "fp32+cuda_graphs", "tf32x3+compile", "bf16_products", "bf16_kernels"],
)
def test_an_execution_round_trips_through_its_text(text: str) -> None:
    assert str(Execution.parse(text)) == text


def test_only_plain_fp32_is_the_reference() -> None:
    assert Execution.parse("fp32+none").is_reference
    assert not Execution.parse("fp32+compile").is_reference
    assert not Execution.parse("bf16").is_reference
    assert not Execution.parse("tf32x3").is_reference


def test_tf32_and_bf16_products_round_operands_of_float32() -> None:
    texts = ("fp32", "bf16", "tf32", "tf32x3+compile", "bf16_products")
    assert [Execution.parse(text).products for text in texts] == ["ieee", "ieee", "tf32", "tf32x3", "bf16"]


def test_bf16_kernels_round_operands_of_the_encoder_too() -> None:
    both, decoder = Execution("bf16_kernels"), Execution("bf16_products")
    assert (both.products, both.encoder_products) == ("bf16", "bf16")
    assert (decoder.products, decoder.encoder_products) == ("bf16", "ieee")


@pytest.mark.parametrize(
    ("setting", "mobile_sam", "sam_vit_b"),
    [
        ("", "fp32", "fp32"),
        ("bf16", "bf16", "bf16"),
        ("*=bf16", "bf16", "bf16"),
        ("mobile_sam=bf16", "bf16", "fp32"),
        (" mobile_sam = bf16 , sam_vit_b=fp16+compile,", "bf16", "fp16+compile"),
        ("bf16,sam_vit_b=fp32", "bf16", "fp32"),
    ],
)
def test_a_setting_assigns_every_variant_its_execution(setting: str, mobile_sam: str, sam_vit_b: str) -> None:
    executions = Executions.parse(setting, KNOWN)
    assert [str(executions.of(name)) for name in KNOWN] == [mobile_sam, sam_vit_b]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "int4",
            "precision 'int4' of execution 'int4' is unknown; it is one of fp32, bf16, fp16, tf32, tf32x3, bf16_pro",
        ),
        ("int8+compile", "int8 cannot be combined with compile; write `int8`"),
        ("bf16_kernels+compile", "bf16_kernels cannot be combined with compile; write `bf16_kernels`"),
        ("bf16+jit", "compilation 'jit' of execution 'bf16\\+jit' is unknown; it is one of none, compile, cuda_graphs"),
        ("bf16+", "compilation '' of"),
        ("mobile_sam=", "precision '' of"),
        ("mobilesam=bf16", "'mobilesam=bf16' names no variant; known are mobile_sam, sam_vit_b, and \\* for"),
        ("mobile_sam=bf16,mobile_sam=fp16", "gives mobile_sam two executions"),
        ("bf16,*=fp16", "gives \\* two executions"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_reason(setting: str, message: str) -> None:
    with pytest.raises(ExecutionInvalid, match=message) as error:
        Executions.parse(setting, KNOWN)
    assert error.value.code == "execution_invalid"
