"""Files that pickle whole modules are read without their classes, and none of their code runs."""

from __future__ import annotations

import collections
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fixtures.models.tiny_yolo import tiny_yolo
from samfleet.variants.record import Checkpoint
from samfleet_models.checkpoints.layouts import read_modules, read_published
from samfleet_models.checkpoints.loading import CheckpointUnreadable, load_state

PUBLISHED = Checkpoint("some.pt", None, None, (), state_key="model", layout="module")


def in_module(name: str, *classes: type) -> types.ModuleType:
    """Create a module in `sys.modules` that these classes claim as theirs."""
    module = types.ModuleType(name)
    for own in classes:
        own.__module__, own.__qualname__ = name, own.__name__
        setattr(module, own.__name__, own)
    sys.modules[name] = module
    return module


@pytest.fixture
def ultralytics() -> Iterator[dict[str, type]]:
    """The package that writes such files; it exists while they are written and is gone when they are read."""

    class Conv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, bias=False)
            self.bn = nn.BatchNorm2d(4)
            self.act = nn.SiLU(inplace=True)

        def __setstate__(self, state: dict[str, Any]) -> None:
            raise AssertionError("code of the file ran")

    class SegmentationModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(Conv(), nn.Upsample(scale_factor=2), nn.Linear(4, 2))
            self.register_buffer("passing", torch.ones(3), persistent=False)
            self.register_buffer("kept", torch.arange(3))
            self.names, self.stride, self.yaml = {0: "object"}, torch.tensor([8.0]), {"nc": 1, "path": Path("x.yaml")}
            self.args = IterableSimpleNamespace(imgsz=1024)

    class IterableSimpleNamespace(types.SimpleNamespace):
        pass

    names = {
        "ultralytics": (),
        "ultralytics.nn": (),
        "ultralytics.nn.modules": (Conv,),
        "ultralytics.nn.tasks": (SegmentationModel,),
        "ultralytics.yolo.utils": (IterableSimpleNamespace,),
    }
    for name, classes in names.items():
        in_module(name, *classes)
    yield {"model": SegmentationModel}
    for name in names:
        sys.modules.pop(name, None)


def forget_ultralytics() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ultralytics"]:
        del sys.modules[name]


def test_modules_are_read_without_their_classes(ultralytics: dict[str, type], tmp_path: Path) -> None:
    model = ultralytics["model"]().half()
    expected = {key: value.clone() for key, value in model.state_dict().items()}
    path = tmp_path / "published.pt"
    content = {
        "epoch": -1,
        "best_fitness": np.float64(0.5),
        "model": model,
        "ema": None,
        "optimizer": None,
        "train_args": {"data": "sa.yaml"},
        "date": "2023-06-20",
    }
    torch.save(content, path)
    forget_ultralytics()
    state = read_published(PUBLISHED, path)
    assert list(state) == [key for key in state if key in expected]
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        assert state[key].dtype == value.dtype
        assert torch.equal(state[key], value)


def test_a_bare_module_and_a_plain_table_are_read_too(ultralytics: dict[str, type], tmp_path: Path) -> None:
    model = ultralytics["model"]()
    expected = dict(model.state_dict())
    torch.save(model, tmp_path / "alone")
    torch.save({"model": expected}, tmp_path / "under_key")
    torch.save(expected, tmp_path / "table")
    forget_ultralytics()
    for name in ("alone", "under_key", "table"):
        state = read_modules(tmp_path / name, "model")
        assert state.keys() == expected.keys()


def test_half_precision_loads_into_the_network(tmp_path: Path) -> None:
    network = tiny_yolo()
    torch.save({"model": network.half().state_dict()}, tmp_path / "half.pt")
    loaded = tiny_yolo().float()
    load_state(loaded, read_published(PUBLISHED, tmp_path / "half.pt"))
    assert loaded.get_parameter("model.0.conv.weight").dtype == torch.float32


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


class Sneaky(Malicious):
    """A pickle that names an allowed package, but a function in it that would run code."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return torch.hub.load_state_dict_from_url, (f"file://{self.target}",)


def test_code_in_a_pickle_is_refused_and_has_no_effect(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    for content in (
        Malicious(target),
        {"model": Malicious(target)},
        {"model": {"weight": torch.ones(1)}, "x": Malicious(target)},
    ):
        torch.save(content, tmp_path / "evil.pt")
        with pytest.raises(CheckpointUnreadable, match=r"system"):
            read_published(PUBLISHED, tmp_path / "evil.pt")
    assert not target.exists()


def test_functions_of_allowed_packages_do_not_run_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"model": {"weight": torch.ones(1)}, "other": Sneaky(tmp_path / "touched")}, tmp_path / "sneaky.pt")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_: pytest.fail("it ran"))
    assert read_published(PUBLISHED, tmp_path / "sneaky.pt").keys() == {"weight"}


def test_files_without_tensors_are_refused(tmp_path: Path) -> None:
    contents: dict[str, object] = {"empty": {}, "words": {"model": "yolov8s"}, "counter": collections.Counter("aab")}
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointUnreadable, match=name):
            read_modules(tmp_path / name, "model")
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(CheckpointUnreadable, match="text"):
        read_modules(tmp_path / "text")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    torch.save({"model": tiny_yolo().state_dict()}, path)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(CheckpointUnreadable, match=r"cut\.pt"):
        read_published(PUBLISHED, path)
