"""Every stage and decoder that a configuration may name, found rather than listed.

A stage or decoder is registered by being a concrete `Stage` or `Decoder` in a module below
``decoders`` whose ``settings_model`` has a literal ``kind``. The tagged unions of the session's
configuration, the documentation and the command line are generated from here, so adding one is
one new file.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import Field

import decoders
from decoders.decoder import Decoder
from decoders.settings import Settings
from decoders.stage import Stage


@functools.cache
def stages() -> Mapping[str, type[Stage[Any]]]:
    """Give every stage by its kind."""
    return _find(Stage)


@functools.cache
def decoders_by_kind() -> Mapping[str, type[Decoder[Any]]]:
    """Give every decoder by its kind."""
    return _find(Decoder)


def settings_union(classes: Mapping[str, type[Stage[Any]] | type[Decoder[Any]]]) -> Any:
    """Give the settings models of ``classes`` as one union, told apart by ``kind``."""
    models = tuple(classes[kind].settings_model for kind in sorted(classes))
    return Annotated[Union[models], Field(discriminator="kind")]  # noqa: UP007 - made at run time


def build_stage(settings: Settings) -> Stage[Any]:
    """Make the stage that ``settings`` configures."""
    return stages()[settings.kind](settings)


def build_decoder(settings: Settings) -> Decoder[Any]:
    """Make the decoder that ``settings`` configures."""
    return decoders_by_kind()[settings.kind](settings)


def _find(base: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module_info in pkgutil.walk_packages(decoders.__path__, "decoders."):
        module = importlib.import_module(module_info.name)
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if not issubclass(cls, base) or inspect.isabstract(cls):
                continue
            # One without settings of its own is a base that others share.
            if cls.__module__ != module.__name__ or not hasattr(cls, "settings_model"):
                continue
            registered: type[Any] = cls
            kind = registered.settings_model.model_fields["kind"].default
            if kind in found:
                raise RuntimeError(f"two classes are named {kind!r}: {found[kind]} and {cls}")
            found[kind] = registered
    return found
