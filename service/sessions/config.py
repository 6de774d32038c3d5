"""The session's configuration: one model for a YAML file, a REST body and a recording's header.

The unions of stages, decoders and outputs come from what is registered; an unknown key is an error
that names the key. Shipped configurations are the YAML files in ``service/presets``.
"""

from __future__ import annotations

import difflib
import re
import reprlib
import typing
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from volition.chunk import SignalSpec
from volition.decoders import registry
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.network import Network
from volition.errors import ConfigError, ModelError
from volition.incoming import MOST_REQUEST_DEPTH, fault_of_data
from volition.models.manifest import naming_setting
from volition.service.sessions.cleaner import Cleaner
from volition.service.sessions.outputs import OutputSettings, outputs
from volition.service.sessions.selections import SelectionPolicy
from volition.service.sessions.steering import SteeringPolicy
from volition.streams.files.choice import StreamKeys
from volition.streams.files.recording import Recording, read_recording
from volition.streams.files.trial_mapping import TrialMapping
from volition.streams.signal.continuity import ContinuitySettings

if TYPE_CHECKING:
    AnyStageSettings = Settings
    AnyDecoderSettings = Settings
    AnyOutputSettings = OutputSettings
else:
    AnyStageSettings = registry.settings_union(registry.stages())
    AnyDecoderSettings = registry.settings_union(registry.decoders_by_kind())
    AnyOutputSettings = registry.settings_union(outputs())


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_MAX_FILE_BYTES = 1 << 20
#: What PyYAML raises beside its own errors: for ``!!int x``, ``2001-99-99``, ``[[[[...``.
_YAML_CANNOT = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
#: Writes a value that was found; the whole of it may be without end (YAML's aliases).
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 100, 100

_OUTPUTS_ARE_A_LIST = (
    "deprecated: outputs is a list now; write outputs: [{kind: lsl}, {kind: record}] in place of "
    "lsl_outlet: true, record: true"
)

_DEVICE = re.compile("con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)

#: What liblsl can search for: its query is one line.
LslText = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f]*$")]


def _labels(channels: object) -> object:
    """Take numbers for labels; what YAML made of a label that is no text is told."""
    if not isinstance(channels, list):
        return channels
    for one in channels:
        if isinstance(one, bool):
            raise ValueError(
                f"YAML reads yes, no, on and off as {str(one).lower()}; put the label in quotes"
            )
    return [str(one) if isinstance(one, int) else one for one in channels]


class StreamSelector(_Model):
    """Which LSL stream: every key that is given must match."""

    name: LslText | None = None
    type: LslText | None = None
    source_id: LslText | None = None
    host: LslText | None = Field(default=None, description="Name of the host that sends it.")
    uid: LslText | None = Field(
        default=None,
        description="Identifies one outlet; LSL gives a new one whenever the outlet starts again.",
    )
    clock: Literal["lsl", "unix", "device"] = Field(
        default="lsl",
        description="Which clock stamps it: LSL's, the time of day, or the device's own. A stream "
        "of another than this is refused; every but LSL's is mapped to it.",
    )
    wait_s: float | None = Field(
        default=None,
        gt=0,
        le=86400,
        description="Seconds to look for it before the session fails; without end when left out.",
    )

    @model_validator(mode="after")
    def _names_something(self) -> StreamSelector:
        if not self.wanted():
            raise ValueError("give at least one of name, type, source_id, host, uid")
        return self

    def wanted(self) -> dict[str, str]:
        """Give the keys by which it is chosen."""
        keys = ("name", "type", "source_id", "host", "uid")
        return {key: value for key in keys if (value := getattr(self, key)) is not None}

    def keys(self, channel: str | int | None = None) -> StreamKeys:
        """Give the keys by which it is chosen from a file; a uid is of a life that has ended."""
        return StreamKeys(self.name, self.type, self.source_id, self.host, channel)


class ContinuityOptions(_Model):
    """What to do about gaps in the stream; see ``volition.streams.signal.continuity``."""

    policy: Literal["hold", "interpolate", "reset"] = Field(
        default="hold",
        description="How a short gap is bridged: hold still until it is past, put its samples on "
        "a line, or forget the signal before it.",
    )
    bridge_s: float = Field(
        default=0.2, ge=0, le=5, description="A longer gap makes the pipeline forget."
    )
    tolerance_s: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Steps of the stamps up to this are no gap; learnt if left out.",
    )

    def settings(self) -> ContinuitySettings:
        """Give them as `volition.streams.signal.continuity` takes them."""
        return ContinuitySettings(self.policy, self.bridge_s, self.tolerance_s)


class SignalStream(StreamSelector):
    """The stream of samples, and which of its channels to use."""

    type: LslText | None = "EEG"
    channels: Annotated[list[str], BeforeValidator(_labels)] | None = Field(
        default=None,
        min_length=1,
        description="Labels to use, in this order. When left out all that may hold EEG: motion, "
        "battery, counters and triggers are left out, with a warning.",
    )
    trigger_channel: str | None = Field(
        default=None,
        description="Label of a channel that holds codes of triggers (TRIG, STI 014, Status, DIN): "
        "where it changes to a code but 0 is an event of that name. It is no part of the signal.",
    )
    units: str | None = Field(
        default=None, description="Unit of the samples where the stream names none, or a wrong one."
    )
    rate_hz: float | None = Field(
        default=None,
        gt=0,
        le=200_000,
        description="The true rate, where the stream announces none or a wrong one.",
    )
    stale_after_s: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="Silence after which the stream counts as lost and intents stop.",
    )
    continuity: ContinuityOptions = ContinuityOptions()
    on_change: Literal["refuse", "remap", "follow"] = Field(
        default="refuse",
        description="A stream that comes back as another signal: wait for it as it was; use its "
        "channels of the same labels, at the same rate alone; or, where that cannot be, prepare "
        "stages and decoder anew for another rate or other channels. A model that was fitted to "
        "the former signal does not follow, and the state says why.",
    )
    max_lag_s: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="Backlog above which the oldest signal is dropped when it does not shrink.",
    )


class MarkerStream(StreamSelector):
    """The stream of markers."""

    type: LslText | None = "Markers"
    channel: str | int | None = Field(
        default=None,
        description="Label or number, from 1, of the channel that holds the markers, where the "
        "stream has several.",
    )


def read_for(
    path: Path,
    stream: SignalStream,
    markers: MarkerStream | None,
    *,
    signal: str | None = None,
    marker_stream: str | None = None,
) -> Recording:
    """Read a recording as a session would have received it live.

    Parameters
    ----------
    path
        The file.
    stream, markers
        As the session names them. Without a marker stream, the events of a live session come by
        REST, for which all marker streams of the file stand.
    signal, marker_stream
        Name, source id or number of what is to be taken from the file in their place.
    """
    of_session = None if markers is None else markers.keys(markers.channel)
    return read_recording(
        path,
        channels=stream.channels,
        trigger_channel=stream.trigger_channel,
        units=stream.units,
        rate_hz=stream.rate_hz,
        stream=stream.keys() if signal is None else signal,
        markers=of_session if marker_stream is None else marker_stream,
    )


class OutputSwitches(_Model):
    """Where intents go beside the API, as it was written before outputs became a list."""

    model_config = ConfigDict(json_schema_extra={"deprecated": True})

    lsl_outlet: bool = Field(default=False, description="The same as `kind: lsl` in a list.")
    record: bool = Field(default=False, description="The same as `kind: record` in a list.")

    def listed(self) -> list[dict[str, str]]:
        """Give the same as a list."""
        switches = {"lsl": self.lsl_outlet, "record": self.record}
        return [{"kind": kind} for kind, is_on in switches.items() if is_on]


def _listed(outputs: object) -> object:
    """Read the deprecated form of ``outputs`` as the list that it stands for."""
    if not isinstance(outputs, dict):
        return outputs
    try:
        return OutputSwitches.model_validate(outputs).listed()
    except ValidationError as error:
        found = explain(error, OutputSwitches)
        raise ValueError("; ".join(f"{one['path']}: {one['message']}" for one in found)) from None


def _every_if_null(selections: object) -> object:
    """Read null, by which sessions said `every` when that was the default."""
    return "every" if selections is None else selections


_Selections = Annotated[SelectionPolicy | Literal["every"], BeforeValidator(_every_if_null)]


def _all_different(outputs: list[OutputSettings]) -> list[OutputSettings]:
    for place, one in enumerate(outputs):
        if one in outputs[:place]:
            raise ValueError(f"the output {one.kind} is there twice with the same settings")
    return outputs


def _can_name_a_file(name: str) -> str:
    """Refuse a name that no file may have somewhere: recordings are named after their session."""
    if name.endswith(".") or _DEVICE.fullmatch(name.partition(".")[0]):
        raise ValueError("Windows can name no file so")
    return name


class SessionConfig(_Model):
    """A stream, stages, a decoder and outputs."""

    name: Annotated[str, AfterValidator(_can_name_a_file)] | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="The session's id; made up when left out.",
    )
    stream: SignalStream
    markers: MarkerStream | None = Field(
        default=None, description="LSL marker stream to listen to; markers by REST always work."
    )
    stages: list[AnyStageSettings] = Field(default_factory=list, max_length=32)
    decoder: AnyDecoderSettings
    selections: _Selections = Field(
        default=SelectionPolicy(),
        description="Which of a sliding decoder's answers are selections. `every` makes each one a "
        "selection, ten times a second while a person looks.",
    )
    trials: TrialMapping | None = Field(
        default=None,
        description="Which markers begin which trials, where the markers do not name them: for "
        "calibrations on the session's own markers or on recordings.",
    )
    steering: SteeringPolicy | None = Field(
        default=None, description="Which way a decoder's classes steer a cursor, and how fast."
    )
    outputs: Annotated[
        list[AnyOutputSettings],
        Field(
            max_length=16,
            description="Where intents go beside the API.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(_all_different),
        BeforeValidator(
            _listed,
            json_schema_input_type=Annotated[list[AnyOutputSettings], Field(max_length=16)]
            | OutputSwitches,
        ),
    ] = Field(default_factory=list)
    history_s: float = Field(
        default=600.0,
        ge=0,
        le=7200,
        description="How much of its signal a session keeps in memory, at most 64 MiB: what it can "
        "be calibrated on.",
    )
    rehearse: bool = Field(
        default=True,
        description="Do the work of each chunk once more on a second pipeline, just before the "
        "chunk is due, so that the processor's caches are warm for it. Left out for long work, "
        "where there is no time for it, and while nothing is decided.",
    )

    _deprecations: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _note_deprecations(
        cls, data: object, handler: ModelWrapValidatorHandler[SessionConfig]
    ) -> SessionConfig:
        if fault := fault_of_data(data, _MAX_FILE_BYTES, MOST_REQUEST_DEPTH):
            raise ValueError(fault)
        config = handler(data)
        if isinstance(data, dict) and isinstance(data.get("outputs"), dict):
            config._deprecations = (_OUTPUTS_ARE_A_LIST,)  # noqa: SLF001 - of this class
        return config

    @property
    def deprecations(self) -> tuple[str, ...]:
        """What the configuration was read from that a later version will not read any more."""
        return self._deprecations

    def build_cleaner(self, spec: SignalSpec) -> Cleaner:
        """Make what cleans a signal of ``spec``: continuity and the stages that are named here.

        Raises
        ------
        ConfigError
            A stage cannot work on such a signal.
        """
        stages = [registry.build_stage(stage) for stage in self.stages]
        return Cleaner(spec, stages, self.stream.continuity.settings())


def build_decoder(settings: Settings, model: FittedModel | Network | None = None) -> Decoder[Any]:
    """Make a decoder.

    Parameters
    ----------
    model
        What it is to decode by, where it is not to read it itself.
    """
    decoder: Any = registry.build_decoder(settings)
    if model is not None:
        takes_fitted = naming_setting(settings) == "model"
        if takes_fitted is not isinstance(model, FittedModel):
            what = "a fitted model" if takes_fitted else "a network"
            raise ModelError(
                f"a decoder of kind {settings.kind} needs {what}, not a {type(model).__name__}"
            )
        decoder.use(model)
    made: Decoder[Any] = decoder
    return made


def preset_names() -> list[str]:
    """Give the names of the shipped configurations."""
    folder = resources.files("volition.service") / "presets"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def preset_text(name: str) -> str:
    """Give the YAML of a shipped configuration."""
    return (resources.files("volition.service") / "presets" / f"{name}.yaml").read_text("utf-8")


def load_config(source: str | Path) -> SessionConfig:
    """Read a configuration from a YAML file, or a shipped one by its name.

    Raises
    ------
    ConfigError
        Neither a file nor a preset, not YAML, or keys that are wrong; ``fields["errors"]`` then
        holds one entry for each, as `explain` gives them.
    """
    text = _text_of(source)
    try:
        data = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, *_YAML_CANNOT) as error:
        what = str(error) if isinstance(error, yaml.YAMLError) else type(error).__name__
        raise ConfigError(f"{source} is not YAML: {what}") from None
    return parse_config(data, str(source))


class _UniqueKeyLoader(yaml.SafeLoader):
    """Reads YAML, and takes a key that stands twice for the mistake that it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a dict of a mapping whose keys all differ."""
        seen: dict[object, int] = {}
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            line = key_node.start_mark.line + 1
            if key is not None and key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key} stands twice, in line {seen[key]} and in line {line}",
                    key_node.start_mark,
                )
            seen[key] = line
        return super().construct_mapping(node, deep)


def _text_of(source: str | Path) -> str:
    """Read a session file, or the preset of that name."""
    if str(source) in preset_names() and not Path(source).is_file():
        return preset_text(str(source))
    try:
        with Path(source).open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(f"{source} is larger than {_MAX_FILE_BYTES} bytes")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not a text in UTF-8: {error.reason}") from None
    except (OSError, ValueError) as error:  # ValueError: a name that can be none
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"no session file {source!s} ({why}), and no preset of that name; presets: "
            f"{', '.join(preset_names())}",
            presets=preset_names(),
        ) from None


def parse_config(data: Any, source: str = "the configuration") -> SessionConfig:
    """Check plain data against the model; raise `ConfigError` that lists every wrong key."""
    if not isinstance(data, dict):
        raise ConfigError(
            f"{source} holds {type(data).__name__} where a mapping with the keys "
            f"{', '.join(SessionConfig.model_fields)} is needed"
        )
    try:
        return SessionConfig.model_validate(data)
    except ValidationError as error:
        errors = explain(error, SessionConfig)
        lines = "; ".join(f"{e['path']}: {e['message']}" for e in errors)
        raise ConfigError(f"{source} is wrong: {lines}", errors=errors) from None


def explain(error: ValidationError, model: type[BaseModel]) -> list[dict[str, Any]]:
    """Say of each wrong key where it is, what was found and what is allowed.

    Returns
    -------
    list of dict
        ``path`` (``stages[0].low_hz``), ``message``, and ``allowed`` where it can be listed.
    """
    return [explain_item(dict(item), model) for item in error.errors(include_url=False)]


def explain_item(item: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Explain one of pydantic's error items; ``loc`` is relative to ``model``."""
    path, owner = _resolve(tuple(item["loc"]), model, is_unknown=item["type"] == "extra_forbidden")
    message = item["msg"].removeprefix("Value error, ")
    allowed: list[str] | None = None
    if item["type"] == "extra_forbidden":
        allowed = sorted(owner.model_fields) if owner is not None else None
        message = f"unknown key; allowed: {', '.join(allowed or [])}"
        close = difflib.get_close_matches(str(item["loc"][-1]), allowed or [], n=1)
        if close:
            message += f" (did you mean {close[0]}?)"
    elif item["type"] == "union_tag_invalid":
        allowed = [tag.strip().strip("'") for tag in item["ctx"]["expected_tags"].split(",")]
        message = _unknown_kind(path, str(item["ctx"]["tag"]), allowed)
        path += ".kind"
    elif item["type"] == "union_tag_not_found":
        message = "the key kind is missing"
        path += ".kind"
    elif item["type"] != "missing" and not isinstance(item.get("input"), dict):
        found = item.get("input")
        message += f" (found {_SHORT.repr(found)})"
        if item["type"] == "string_type" and isinstance(found, bool | int | float):
            message += (
                "; YAML reads it as "
                + (
                    "a truth value, as it does yes, no, on and off"
                    if isinstance(found, bool)
                    else "a number"
                )
                + ": put it in quotes"
            )
    entry: dict[str, Any] = {"path": path or "(whole)", "message": message}
    if allowed is not None:
        entry["allowed"] = allowed
    return entry


def _unknown_kind(path: str, kind: str, allowed: list[str]) -> str:
    """Say that nothing of a kind is there, and what to do where a package may bring it."""
    part = {"stages": "stage", "decoder": "decoder", "outputs": "output"}.get(
        path.partition("[")[0]
    )
    if part is None:
        return f"unknown kind {kind!r}; allowed: {', '.join(allowed)}"
    close = difflib.get_close_matches(kind, allowed, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return (
        f"no {part} of kind {kind!r} is installed{hint}; allowed: {', '.join(allowed)}. To "
        "use another, install the package that brings it beside Volition"
    )


def _resolve(
    location: tuple[int | str, ...], model: type[BaseModel], *, is_unknown: bool
) -> tuple[str, type[BaseModel] | None]:
    """Write a location as a path without union tags, and find the model that owns its last key.

    A key that is not known may be called like a tag; a location of settings as a whole ends in one.
    """
    path = ""
    owner: type[BaseModel] | None = model
    settings: dict[str, type[BaseModel]] = {
        **{kind: stage.settings_model for kind, stage in registry.stages().items()},
        **{kind: decoder.settings_model for kind, decoder in registry.decoders_by_kind().items()},
        **{kind: output.settings_model for kind, output in outputs().items()},
    }
    for position, key in enumerate(location):
        if isinstance(key, int):
            path += f"[{key}]"
            continue
        last = position == len(location) - 1
        may_be_tag = key in settings and (owner is None or key not in owner.model_fields)
        if may_be_tag and not (last and is_unknown):
            owner = settings[key]
            continue
        path += f".{key}" if path else key
        if not last:
            owner = _model_of(owner, key)
    return path, owner


def _model_of(owner: type[BaseModel] | None, key: str) -> type[BaseModel] | None:
    """Give the model behind a field, when the field (or its items) is one."""
    field = owner.model_fields.get(key) if owner is not None else None
    if field is None:
        return None
    for candidate in (field.annotation, *typing.get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
