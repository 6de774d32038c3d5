from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.chunk import SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import FileName
from volition.decoders.fitting.fitted import FittedModel, load_model, shipped_models
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.errors import ModelError, NotFittedError

ARRAYS = {"weights": np.arange(6.0).reshape(2, 3), "count": np.array(4), "flag": np.array(True)}


def test_a_model_comes_back_from_its_file_as_it_went_in(tmp_path: Path) -> None:
    model = FittedModel("kalman", ARRAYS, {"settings": {"form": "full"}, "n_bins": 7})
    path = model.save(tmp_path / "mine")
    assert path.name == "mine.npz"
    again = load_model(path)
    assert (again.kind, again.facts, again.version) == (model.kind, model.facts, model.version)
    assert again.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == array.dtype


def test_the_version_is_of_the_content_and_of_nothing_else() -> None:
    model = FittedModel("kalman", ARRAYS, {"a": 1, "b": 2})
    same = FittedModel("kalman", dict(reversed(ARRAYS.items())), {"b": 2, "a": 1})
    assert same.version == model.version
    others = [
        FittedModel("dkf", ARRAYS, model.facts),
        FittedModel("kalman", ARRAYS, {"a": 1, "b": 3}),
        FittedModel("kalman", {**ARRAYS, "weights": ARRAYS["weights"] + 1e-15}, model.facts),
        FittedModel("kalman", {**ARRAYS, "weights": ARRAYS["weights"].reshape(3, 2)}, model.facts),
    ]
    assert len({model.version, *(other.version for other in others)}) == 5


def test_objects_that_would_need_pickling_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="numbers"):
        FittedModel("kalman", {"bad": np.array([object()])})
    path = tmp_path / "bad.npz"
    np.savez(path, manifest=np.array("{}"), bad=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ModelError, match="not a model file"):
        load_model(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros(2)}, "manifest"),
        ({"manifest": np.array("{")}, "not JSON"),
        ({"manifest": np.array('{"format": 99}')}, "format 1"),
        ({"manifest": np.array('{"format": 1, "kind": 3, "facts": {}}')}, "kind"),
    ],
)
def test_a_file_that_is_no_model_is_named_with_what_is_wrong(
    tmp_path: Path, content: dict[str, np.ndarray], message: str
) -> None:
    path = tmp_path / "some.npz"
    np.savez(path, **content)  # type: ignore[arg-type]  # numpy's stubs mistake names for a flag
    with pytest.raises(ModelError, match=message):
        load_model(path)


def test_a_torn_file_is_no_model(tmp_path: Path) -> None:
    path = FittedModel("kalman", ARRAYS).save(tmp_path / "torn.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="not a model file"):
        load_model(path)


def test_a_name_that_is_neither_file_nor_shipped_is_answered_with_those_that_ship() -> None:
    with pytest.raises(ModelError, match="flint-run1-kalman"):
        load_model("no-such-model")


def test_every_shipped_model_is_whole_and_of_a_known_decoder() -> None:
    shipped = shipped_models()
    assert {"flint-run1-kalman", "flint-run1-mk-dkf"} <= shipped.keys()
    for name in shipped:
        assert load_model(name).kind in registry.decoders_by_kind()


SPEC = SignalSpec(10.0, tuple("abcdefghij"))


def test_a_decoder_without_a_model_says_that_it_needs_one() -> None:
    with pytest.raises(NotFittedError, match="'model'"):
        KalmanDecoder(KalmanSettings()).fitted_model()


def test_a_decoder_says_which_model_it_decodes_by() -> None:
    settings = KalmanSettings.model_validate(
        {"model": "flint-run1-kalman", "features": {"standardise": False}}
    )
    decoder = KalmanDecoder(settings)
    assert decoder.model_version is None
    decoder.prepare(SPEC)
    assert decoder.model_version == load_model("flint-run1-kalman").version


def test_another_decoders_model_is_refused() -> None:
    decoder = KalmanDecoder(KalmanSettings(model=FileName("flint-run1-mk-dkf")))
    with pytest.raises(ModelError, match="fitted for dkf"):
        decoder.prepare(SPEC)


def test_a_model_that_lacks_an_array_or_holds_another_shape_is_refused() -> None:
    whole = load_model("flint-run1-kalman")
    settings = KalmanSettings.model_validate({"features": {"standardise": False}})
    for arrays, message in [
        ({name: array for name, array in whole.arrays.items() if name != "A"}, "lacks the array"),
        ({**whole.arrays, "A": np.zeros((3, 3))}, r"shape \(2, 2\)"),
        ({**whole.arrays, "C": np.full((10, 2), np.nan)}, "finite"),
    ]:
        decoder = KalmanDecoder(settings, FittedModel("kalman", arrays, whole.facts))
        with pytest.raises(ModelError, match=message):
            decoder.prepare(SPEC)
