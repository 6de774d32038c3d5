"""What is known of a model besides its parameters: the manifest that the registry keeps.

A `ModelCard` is what whoever brings a model says of it; a `Manifest` is that, with what the
registry found out by itself: version, number, hash, size, time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from volition.decoders.contract.settings import Settings

if TYPE_CHECKING:  # a client reads manifests, and loads no numpy
    from volition.chunk import SignalSpec

#: Lower case alone: on some systems files whose names differ by case are one.
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
VERSION_PATTERN = r"^[0-9a-f]{12}$"

ModelName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
ModelVersion = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
Text = Annotated[str, StringConstraints(max_length=4000)]


class _Part(BaseModel):
    # What has a default is sent as well: in an answer nothing is left out.
    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )


class ModelInput(_Part):
    """The signal that a model was made for, as the decoder sees it: behind the stages."""

    rate_hz: float | None = Field(
        default=None, gt=0, le=1e6, allow_inf_nan=False, description="Null where any rate will do."
    )
    labels: list[str] = Field(
        default_factory=list, max_length=4096, description="Channels, in order; empty if any will."
    )
    n_channels: int | None = Field(default=None, ge=1, le=4096)

    @model_validator(mode="after")
    def _counts_its_labels(self) -> ModelInput:
        if self.labels and self.n_channels not in (None, len(self.labels)):
            raise ValueError(f"{len(self.labels)} labels are not {self.n_channels} channels")
        return self

    @classmethod
    def of(cls, spec: SignalSpec) -> ModelInput:
        """Describe a signal."""
        return cls(rate_hz=spec.rate_hz, labels=list(spec.labels), n_channels=spec.n_channels)

    def differs_from(self, spec: SignalSpec) -> str:
        """Say in what a signal is another than this; nothing where it is not."""
        if self.rate_hz is not None and abs(self.rate_hz - spec.rate_hz) > 1e-6 * spec.rate_hz:
            return f"it is for {self.rate_hz:g} Hz, and the signal has {spec.rate_hz:g} Hz"
        if self.labels and self.labels != list(spec.labels):
            return f"it is for the channels {self.labels}, and the signal has {list(spec.labels)}"
        if self.n_channels not in (None, spec.n_channels):
            return f"it is for {self.n_channels} channels, and the signal has {spec.n_channels}"
        return ""


class TrainingData(_Part):
    """What a model was learned from."""

    source: Text = Field(default="", description="A session, a recording, a data set.")
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = Field(
        default="", description="SHA-256 of the samples and events that the fit was given."
    )
    n_trials: int | None = Field(default=None, ge=0)
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class ModelCard(_Part):
    """What whoever brings a model says of it."""

    kind: str = Field(max_length=64, description="Kind of the decoder that it belongs to.")
    input: ModelInput = ModelInput()
    decoder: dict[str, Any] | None = Field(
        default=None,
        description="Settings of the decoder that it was made with; a session that is given the "
        "model takes these. Where null, the model belongs into the settings of the session.",
    )
    stages: list[dict[str, Any]] | None = Field(
        default=None, max_length=32, description="Stages that stood before it; null if unknown."
    )
    network: dict[str, Any] | None = Field(
        default=None,
        description="Manifest of an ONNX file, as `decoders.fitting.network` reads it.",
    )
    training: TrainingData = TrainingData()
    scores: dict[str, Any] = Field(
        default_factory=dict, description="How well it decoded what it was not fitted on."
    )
    licence: Text = ""
    note: Text = ""


class Manifest(ModelCard):
    """A version of a model in the registry, or one that ships."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ModelName
    version: ModelVersion = Field(description="Names exactly this content; an intent's `model`.")
    number: int = Field(ge=1, description="Versions of a name are numbered as they come.")
    format: Literal["npz", "onnx"]
    sha256: str = Field(description="SHA-256 of the file.")
    bytes: int
    made_utc: float = Field(description="Seconds since 1970.")
    origin: Literal["shipped", "calibration", "upload"]

    @property
    def reference(self) -> str:
        """How a session names exactly this version."""
        return self.name if self.origin == "shipped" else f"{self.name}@{self.version}"

    def settings_for(self, current: Settings) -> dict[str, Any]:
        """Give the settings that decode by this model, in place of a session's ``current`` ones."""
        own = self.decoder
        # One that ships knows nothing of this session's workspace, units or markers.
        if self.origin == "shipped" and current.kind == self.kind:
            own = current.model_dump(mode="json")
        if own is None:
            # One without settings of its own takes this session's, or its kind's where that is
            # another: what they lack is then refused by name.
            own = unfitted(current) if current.kind == self.kind else {"kind": self.kind}
        return {**own, "network" if self.format == "onnx" else "model": self.reference}


def naming_setting(settings: Settings) -> str | None:
    """Give the name of the setting by which a decoder names its model; None for one without."""
    fields = type(settings).model_fields
    # A network's decoder may share its other settings with those that take a fitted model.
    return next((name for name in ("network", "model") if name in fields), None)


def named_model(settings: Settings) -> str | None:
    """Give the model or network that a decoder's settings name; None where they name none."""
    setting = naming_setting(settings)
    found: str | None = None if setting is None else getattr(settings, setting)
    return found


def unfitted(settings: Settings) -> dict[str, Any]:
    """Give settings as plain data, without the model that they name."""
    setting = naming_setting(settings)
    return settings.model_dump(mode="json") | ({} if setting is None else {setting: None})
