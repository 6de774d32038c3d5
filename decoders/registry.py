"""Every stage and decoder that a configuration may name: what is installed, found by `extension`.

A stage or decoder is a concrete `Stage` or `Decoder` whose ``settings_model`` has a literal
``kind``, in a part of the groups ``volition.stages`` and ``volition.decoders``. Volition's own part
of each is a whole package, so adding one there is one new file and its example. The tagged unions
of the session's configuration, the documentation and the command line are generated from here. A
plugin whose kind is taken already, or which names none, is left out and told (`extension.broken`).

A kind's examples are the documents of ``examples/KIND.yaml`` in the package of its class, or in one
that holds that package: settings that run, and the signal that they run on.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Annotated, Any, Union

import yaml
from pydantic import Field

from volition import extension
from volition.chunk import SignalSpec
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage
from volition.decoders.contract.trials import Trials
from volition.errors import ConfigError

_RATE_HZ = 256.0
_LABELS = ("Oz", "O1", "O2", "PO3", "POz", "PO7")


@dataclass(frozen=True, slots=True)
class Example:
    """Settings of a stage or decoder that run, and the signal to run them on.

    Attributes
    ----------
    settings
        Checked.
    spec
        Specification of the signal.
    exact
        Whether the output is the same to the last digit however the signal is cut.
    any_channels
        Whether the settings suit any channels and rate; the example names neither then.
    costs
        How the kind is measured beside, or in place of, this by the benchmarks of speed.
    """

    settings: Settings
    spec: SignalSpec
    exact: bool = True
    any_channels: bool = True
    costs: Mapping[str, Any] = field(default_factory=dict)


@functools.cache
def stages() -> Mapping[str, type[Stage[Any]]]:
    """Give every stage by its kind."""
    return extension.classes_by_kind("volition.stages", Stage)


@functools.cache
def decoders_by_kind() -> Mapping[str, type[Decoder[Any]]]:
    """Give every decoder by its kind."""
    return extension.classes_by_kind("volition.decoders", Decoder)


def settings_union(classes: Mapping[str, Any]) -> Any:
    """Give the settings models of ``classes`` as one union, told apart by ``kind``."""
    models = tuple(classes[kind].settings_model for kind in sorted(classes))
    return Annotated[Union[models], Field(discriminator="kind")]  # noqa: UP007 - made at run time


def build_stage(settings: Settings) -> Stage[Any]:
    """Make the stage that ``settings`` configures."""
    return stages()[settings.kind](settings)


def build_decoder(settings: Settings) -> Decoder[Any]:
    """Make the decoder that ``settings`` configures."""
    return decoders_by_kind()[settings.kind](settings)


def trials_of(settings: Settings) -> Trials | None:
    """Say what the trials of a decoder of these settings are; see `Decoder.trials`."""
    return decoders_by_kind()[settings.kind].trials(settings)


def examples(kind: str) -> tuple[Example, ...]:
    """Give the examples of a stage or decoder; see `examples_of`."""
    return examples_of(stages().get(kind) or decoders_by_kind()[kind])


@functools.cache
def examples_of(cls: Any) -> tuple[Example, ...]:
    """Give the examples of a class with settings, in the order of their file; none without one.

    Raises
    ------
    ConfigError
        The file is no list of examples, or its settings are wrong.
    """
    kind = extension.kind_of(cls)
    try:
        return tuple(_example(cls, one) for one in yaml.safe_load_all(_example_text(cls)))
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"examples/{kind}.yaml is wrong: {error}", kind=kind) from error


def _example(cls: Any, document: Mapping[str, Any]) -> Example:
    settings = cls.settings_model.model_validate(
        {"kind": extension.kind_of(cls), **document["settings"]}
    )
    spec = SignalSpec(document.get("rate_hz", _RATE_HZ), tuple(document.get("labels", _LABELS)))
    return Example(
        settings,
        spec,
        exact=document.get("exact", True),
        any_channels=not document.keys() & {"rate_hz", "labels"},
        costs=document.get("costs", {}),
    )


def _example_text(cls: Any) -> str:
    for package in _packages_of(cls.__module__):
        file = resources.files(package) / "examples" / f"{extension.kind_of(cls)}.yaml"
        if file.is_file():
            return file.read_text("utf-8")
    return ""


def _packages_of(module: str) -> Iterator[str]:
    """Give a module's package and those that hold it, from the inside out."""
    name = module if hasattr(sys.modules[module], "__path__") else module.rpartition(".")[0]
    while name:
        yield name
        name = name.rpartition(".")[0]
