"""Every stage and decoder that a configuration may name: what is installed, found by `extension`.

A stage or decoder is a concrete `Stage` or `Decoder` whose ``settings_model`` has a literal
``kind``, in a part of the groups ``volition.stages`` and ``volition.decoders``. Volition's own part
of each is a whole package, so adding one there is one new file. The tagged unions of the session's
configuration, the documentation and the command line are generated from here. A plugin whose kind
is taken already, or which names none, is left out and told (`extension.broken`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import Field

from volition import extension
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage
from volition.extension import Group


@functools.cache
def stages() -> Mapping[str, type[Stage[Any]]]:
    """Give every stage by its kind."""
    return _find("volition.stages", Stage)


@functools.cache
def decoders_by_kind() -> Mapping[str, type[Decoder[Any]]]:
    """Give every decoder by its kind."""
    return _find("volition.decoders", Decoder)


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


def _find(group: Group, base: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, cls in extension.classes(group, base):
        # One without settings of its own is a base that others share.
        if not hasattr(cls, "settings_model"):
            continue
        kind = cls.settings_model.model_fields["kind"].default
        if kind in found:
            error = f"{cls.__module__}.{cls.__name__} is named {kind!r}, as {found[kind]} is"
            extension.leave_out(group, part.name, part.distribution, error)
            continue
        found[kind] = cls
    return found
