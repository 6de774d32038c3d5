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
