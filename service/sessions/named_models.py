"""The models that a configuration may name: a file, one that ships, or one of the registry.

A name alone means the newest version of the registry's; the service pins it to ``name@version``
when a session is made, so that another life of the worker, and a replay, decode by the same model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from volition.chunk import SignalSpec
from volition.decoders.contract.settings import Settings
from volition.errors import ConfigError
from volition.models.manifest import NAME_PATTERN, VERSION_PATTERN, named_model, naming_setting
from volition.models.registry import ModelRegistry, NoModelError, Opened, is_shipped
from volition.service.sessions.folders import models_folder

if TYPE_CHECKING:  # the engine, which configurations make, stands on this
    from volition.service.sessions.config import SessionConfig

_REFERENCE = re.compile(f"{NAME_PATTERN[:-1]}(@{VERSION_PATTERN[1:-1]})?")


def model_registry() -> ModelRegistry:
    """Give the registry of this user's models."""
    return ModelRegistry(models_folder())


def is_reference(name: str) -> bool:
    """Whether a name is one of the registry's, and neither a file nor a model that ships."""
    return _REFERENCE.fullmatch(name) is not None and not is_shipped(name)


def open_named(decoder: Settings) -> Opened | None:
    """Read the registry's model that a decoder's settings name; None where they name none.

    Raises
    ------
    ModelError
        There is no such model, or its file is damaged.
    """
    name = named_model(decoder)
    if name is None or not is_reference(name):
        return None
    return model_registry().open(name)


def pinned(config: SessionConfig) -> SessionConfig:
    """Give a configuration that names an exact version where it named the registry's newest.

    Raises
    ------
    ConfigError
        The registry has no such model.
    """
    name, setting = named_model(config.decoder), naming_setting(config.decoder)
    if name is None or setting is None or not is_reference(name):
        return config
    try:
        reference = model_registry().find(name).reference
    except NoModelError as error:
        raise ConfigError(f"decoder.model: {error.message}") from None
    decoder = config.decoder.model_copy(update={setting: reference})
    return config.model_copy(update={"decoder": decoder})


def check_input(opened: Opened, spec: SignalSpec) -> None:
    """Raise `ConfigError` where a model was made for another signal than ``spec``."""
    why = opened.manifest.input.differs_from(spec)
    if why:
        raise ConfigError(f"the model {opened.manifest.reference} does not fit: {why}")
