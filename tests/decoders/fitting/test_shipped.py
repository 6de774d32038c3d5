"""Models that ship are found by what is installed; decoders know no package that brings them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from volition import decoders, extension
from volition.decoders import registry
from volition.decoders.fitting.fitted import FittedModel, load_model, shipped_models
from volition.extension import Part
from volition.models.registry import shipped_manifests
from volition.models.training import FURTHER

ROOMS_ABOVE = ("volition.models", "volition.service", "volition.benchmarks")

Install = Callable[[object], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Give what installs a package that brings models, after Volition's own."""
    own = extension.parts("volition.models")
    monkeypatch.setattr(extension, "_broken", {})

    def add(value: object) -> None:
        brought = (*own, Part("mine", "other", value))
        monkeypatch.setattr(extension, "parts", lambda _group: brought)

    return add


def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    folder = tmp_path / "bringing_models"
    (folder / "fitted").mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name in ("hand", "flint-run1-kalman"):
        FittedModel("kalman", {"A": np.eye(2)}).save(folder / "fitted" / name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "bringing_models", raising=False)
    return importlib.import_module("bringing_models")


def test_an_installed_package_ships_models_and_takes_no_name_from_volition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    own = load_model("flint-run1-kalman").version
    install(package(tmp_path, monkeypatch))
    assert load_model("hand").kind == "kalman"
    assert load_model("flint-run1-kalman").version == own


def test_a_model_of_a_package_is_listed_by_who_brings_it_and_one_that_is_broken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    install(package(tmp_path, monkeypatch))
    (tmp_path / "bringing_models" / "fitted" / "torn.npz").write_bytes(b"nothing of the kind")
    listed = shipped_manifests.__wrapped__()
    assert (listed["hand"].note, listed["hand"].licence) == ("Ships with other.", "")
    assert listed["ssvep-pretrained"].licence == "Apache-2.0"
    assert "torn" not in listed
    (told,) = extension.broken()
    assert (told.name, told.distribution) == ("torn", "other")


def test_an_entry_that_is_no_package_is_told_and_left_out(install: Install) -> None:
    install(42)
    assert "ssvep-pretrained" in shipped_models()
    (told,) = [one for one in extension.broken() if one.group == "volition.models"]
    assert told.distribution == "other"


def test_each_decoder_that_is_trained_further_has_a_recipe() -> None:
    kinds = registry.decoders_by_kind().items()
    assert {kind for kind, cls in kinds if cls.trained_further} == set(FURTHER)


def test_no_decoder_names_a_room_above_it_in_a_string_or_a_comment() -> None:
    (folder,) = decoders.__path__
    texts = {path.name: path.read_text("utf-8") for path in Path(folder).rglob("*.py")}
    del texts["shipped.py"]  # which names the group of entry points
    assert not [name for name, text in texts.items() for room in ROOMS_ABOVE if room in text]
