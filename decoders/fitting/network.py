"""Networks: the one way they are kept, checked and run.

A network is two files side by side: ``NAME.onnx``, and ``NAME.json``, the manifest that says what
goes in and comes out (shapes, units), what it was trained on, under which licence, how good it is,
and the hash of the other. A decoder or stage names it by path, or by the name of one that ships
(`volition.decoders.fitting.shipped`); both are read once, in ``prepare``.

Everything is checked before anything runs: the hash, the size, the operators (none that loops,
branches, reads files or is anyone's own), the operator set, then names, shapes and types against
what the runtime finds. A `ModelError` names what was wrong. It runs on the caller's thread alone.

A recurrent network keeps nothing between calls: what it carries on is an input and an output
that ``state`` in the manifest joins. `Network.start` gives the first, `Network.step` the next.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from volition.decoders.contract.settings import may_be_file
from volition.decoders.fitting.onnx_outline import Outline, outline
from volition.decoders.fitting.shipped import Shipped, shipped_files
from volition.errors import ModelError

FORMAT: Final = 1
"""Version of the manifest's layout; a reader refuses what it does not know."""

#: Among a manifest's facts: of a network that was trained further for one person, how the registry
#: names the one that it was started from; None where that was a file.
STARTED_FROM: Final = "started_from"

#: Largest network file, and largest input or output (in numbers).
LARGEST_BYTES = 64 * 2**20
LARGEST_TENSOR = 2**24
#: Versions of ONNX's operators that are run.
OPSETS = range(13, 24)
_OPERATORS = """
    Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv
    ConvTranspose Cos Div Dropout Einsum Elu Equal Erf Exp Flatten Floor GRU Gather Gelu Gemm
    GlobalAveragePool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity
    InstanceNormalization LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    MatMul Max MaxPool Mean Min Mul Neg Not Or PRelu Pad Pow RNN Reciprocal ReduceL2 ReduceMax
    ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Selu Shape Sigmoid Sign Sin
    Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""
#: Operators that are run. None loops, branches or makes a large tensor out of small ones alone
#: (as Expand, Tile, Range and ConstantOfShape do, which exporters fold away for fixed shapes).
OPERATORS = frozenset(_OPERATORS.split())

Array = npt.NDArray[Any]
#: What a recurrent network carries from one step to the next, by the name of its input.
State = Mapping[str, Array]

_TYPES = {"float32": "tensor(float)", "float64": "tensor(double)", "int64": "tensor(int64)"}
_Text = Annotated[str, Field(min_length=1)]


class TensorSpec(BaseModel):
    """An input or output of a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    shape: tuple[Annotated[int, Field(ge=1)] | _Text, ...] = Field(
        description="Length of each axis; a word for one that may have any."
    )
    dtype: Literal["float32", "float64", "int64"] = "float32"
    unit: _Text = Field(description="Unit of its numbers: uV, z-score, logit, m/s, 1 ...")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the axes that have one."""
        return tuple(length for length in self.shape if isinstance(length, int))

    @property
    def is_fixed(self) -> bool:
        """Say whether every axis has one length."""
        return len(self.lengths) == len(self.shape)

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Say whether an array of ``shape`` is one of these."""
        return len(shape) == len(self.shape) and all(
            isinstance(wanted, str) or wanted == found
            for wanted, found in zip(self.shape, shape, strict=True)
        )


class CarriedState(BaseModel):
    """An output that is the next step's input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    output: str


class NetworkManifest(BaseModel):
    """What a network is; ``facts`` is its decoder's own (rate, targets, window ...)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    kind: _Text = Field(description="Kind of the decoder or stage that runs it.")
    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)
    state: tuple[CarriedState, ...] = ()
    opset: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the .onnx file.")
    trained_on: _Text
    licence: _Text
    scores: dict[str, JsonValue] = {}
    facts: dict[str, JsonValue] = {}

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that name exactly this network and its manifest."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _names_and_states_fit(self) -> NetworkManifest:
        for what in (self.inputs, self.outputs):
            names = [tensor.name for tensor in what]
            if len(set(names)) < len(names):
                raise ValueError(f"inputs, and outputs, need names of their own; found {names}")
            for tensor in what:
                size = math.prod(tensor.lengths)
                if size > LARGEST_TENSOR:
                    raise ValueError(f"{tensor.name} has {size:.3g} numbers, over {LARGEST_TENSOR}")
        inputs = {tensor.name: tensor for tensor in self.inputs}
        outputs = {tensor.name: tensor for tensor in self.outputs}
        for one in self.state:
            if one.input not in inputs or one.output not in outputs:
                raise ValueError(f"state joins {one.input} and {one.output}, which are not both")
            before, after = inputs[one.input], outputs[one.output]
            if not before.is_fixed or (before.shape, before.dtype) != (after.shape, after.dtype):
                raise ValueError(
                    f"state {one.input} must have a fixed shape, and {one.output} the same; found "
                    f"{before.shape} and {after.shape}"
                )
        return self

    @classmethod
    def of(cls, content: bytes, **fields: Any) -> NetworkManifest:
        """Make the manifest of a file, whose hash and operator set are read from it.

        Raises
        ------
        ModelError
            The bytes are not an ONNX file, or a field is wrong.
        """
        known = {
            "opset": outline(content).opsets.get("", 0),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return read_manifest(json.dumps({**fields, **known}), str(fields.get("name", "it")))


def read_manifest(text: str | bytes, source: str) -> NetworkManifest:
    """Read a manifest; ``source`` is what an error calls it.

    Raises
    ------
    ModelError
        It is not JSON, or a field is missing, unknown or wrong.
    """
    try:
        return NetworkManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise ModelError(
            f"the manifest of {source} is wrong at {field}: {first['msg']}", field=field
        ) from None


class Network:
    """A network that was found to be what its manifest says, ready to run.

    Parameters
    ----------
    manifest, content
        The two files.

    Raises
    ------
    ModelError
        The file is not what the manifest says, or holds what is not run here.
    """

    def __init__(self, manifest: NetworkManifest, content: bytes) -> None:
        check(manifest, content)
        self.manifest = manifest
        self._inputs = {tensor.name: tensor for tensor in manifest.inputs}
        self._output_names = [tensor.name for tensor in manifest.outputs]
        self._session = _session(manifest.name, content)
        _check_tensors(manifest, "input", manifest.inputs, self._session.get_inputs())
        _check_tensors(manifest, "output", manifest.outputs, self._session.get_outputs())
        if all(tensor.is_fixed for tensor in manifest.inputs):
            self.run(**{tensor.name: np.zeros(tensor.lengths) for tensor in manifest.inputs})

    @functools.cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits; see `NetworkManifest.version`."""
        return self.manifest.version

    def run(self, **arrays: npt.ArrayLike) -> dict[str, Array]:
        """Give the outputs, by name, for the inputs, by name, each of its manifest's shape.

        Raises
        ------
        ModelError
            An input is missing, unknown or of another shape; the runtime failed; or an output has
            another shape than the manifest says.
        """
        name = self.manifest.name
        if arrays.keys() != self._inputs.keys():
            raise ModelError(
                f"the network {name} takes {', '.join(self._inputs)}; found "
                f"{', '.join(arrays) or 'nothing'}",
                expected=sorted(self._inputs),
                found=sorted(arrays),
            )
        feed = {}
        for key, value in arrays.items():
            wanted = self._inputs[key]
            array = np.ascontiguousarray(value, dtype=wanted.dtype)
            if not wanted.admits(array.shape):
                raise ModelError(
                    f"the input {key} of the network {name} must have the shape {wanted.shape}; "
                    f"found {array.shape}",
                    input=key,
                )
            feed[key] = array
        try:
            values = self._session.run(self._output_names, feed)
        except _runtime_errors() as error:
            raise ModelError(f"the network {name} cannot be run: {error}") from None
        for declared, value in zip(self.manifest.outputs, values, strict=True):
            if not declared.admits(value.shape):
                raise ModelError(
                    f"the output {declared.name} of the network {name} must have the shape "
                    f"{declared.shape}; found {value.shape}",
                    output=declared.name,
                )
        return dict(zip(self._output_names, values, strict=True))

    def start(self) -> State:
        """Give the state before the first step: zeros."""
        return {
            one.input: np.zeros(
                self._inputs[one.input].lengths, dtype=self._inputs[one.input].dtype
            )
            for one in self.manifest.state
        }

    def step(self, state: State, **arrays: npt.ArrayLike) -> tuple[dict[str, Array], State]:
        """Give the outputs, and the state for the next step; neither is kept here.

        Parameters
        ----------
        state
            What `start` or the step before gave.
        **arrays
            The other inputs.
        """
        outputs = self.run(**state, **arrays)
        return outputs, {one.input: outputs.pop(one.output) for one in self.manifest.state}


def check(manifest: NetworkManifest, content: bytes) -> None:
    """Refuse a file that is not the manifest's, or that holds what is not run here.

    Nothing of the file is run. `Network` does this, and compares shapes and types after it.

    Raises
    ------
    ModelError
        Size, hash, operators or operator set are wrong.
    """
    name = manifest.name
    if len(content) > LARGEST_BYTES:
        raise ModelError(
            f"the network {name} has {len(content)} bytes; at most {LARGEST_BYTES} are allowed",
            found=len(content),
            allowed=LARGEST_BYTES,
        )
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.sha256:
        raise ModelError(
            f"the file of the network {name} is not the one of its manifest: the SHA-256 must be "
            f"{manifest.sha256}; found {found}",
            expected=manifest.sha256,
            found=found,
        )
    _check_outline(manifest, outline(content))


def _check_outline(manifest: NetworkManifest, found: Outline) -> None:
    name = manifest.name
    if found.has_external_weights:
        raise ModelError(f"the network {name} keeps weights in other files; it must hold its own")
    if found.has_functions:
        raise ModelError(f"the network {name} defines functions or training; neither is run here")
    if found.has_control_flow:
        raise ModelError(f"the network {name} loops or branches, which is not run here")
    unknown = sorted(found.operators - OPERATORS)
    if unknown:
        raise ModelError(
            f"the network {name} uses the operators {', '.join(unknown)}; allowed: "
            f"{', '.join(sorted(OPERATORS))}",
            found=unknown,
        )
    others = sorted(domain for domain in found.opsets if domain)
    opset = found.opsets.get("", 0)
    if opset != manifest.opset or opset not in OPSETS or others:
        raise ModelError(
            f"the network {name} must use the operator set {manifest.opset} that its manifest "
            f"names, of {OPSETS.start} to {OPSETS.stop - 1}, and no other; found {opset}"
            + "".join(f" and {domain}" for domain in others),
            expected=manifest.opset,
            found=opset,
        )


def _session(name: str, content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Memory is taken as each run needs it and given back: none grows with the runs.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise ModelError(f"the network {name} cannot be opened: {error}") from None


@functools.cache
def _runtime_errors() -> tuple[type[Exception], ...]:
    """Give what the runtime raises; it has no common base for them."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = (getattr(state, name) for name in dir(state))
    return (
        RuntimeError,
        ValueError,
        *(one for one in found if isinstance(one, type) and issubclass(one, Exception)),
    )


def _check_tensors(
    manifest: NetworkManifest, what: str, wanted: tuple[TensorSpec, ...], found: list[Any]
) -> None:
    expected = {one.name: (_axes(one.shape), _TYPES[one.dtype]) for one in wanted}
    seen = {one.name: (_axes(tuple(one.shape)), str(one.type)) for one in found}
    if expected != seen:
        raise ModelError(
            f"the network {manifest.name} must have the {what}s {_told(expected)} that its "
            f"manifest names; found {_told(seen)}",
            what=what,
        )


def _axes(shape: tuple[Any, ...]) -> tuple[int | None, ...]:
    """Give the lengths; None for an axis that may have any."""
    return tuple(length if isinstance(length, int) else None for length in shape)


def _told(tensors: dict[str, tuple[tuple[int | None, ...], str]]) -> str:
    def one(name: str, shape: tuple[int | None, ...], dtype: str) -> str:
        axes = ", ".join("any" if length is None else str(length) for length in shape)
        return f"{name} ({axes}) {dtype}"

    return "; ".join(one(name, *tensors[name]) for name in sorted(tensors))


def load_network(name: str | Path, kind: str | None = None) -> Network:
    """Read a network by the path of either file, or by the name of one that ships.

    Parameters
    ----------
    name
        ``folder/NAME``, with or without ``.onnx`` or ``.json``, as a `Path` or a setting's
        `FileName`; or the name alone of one that ships.
    kind
        Kind of who runs it, which the manifest must name; any if left out.

    Raises
    ------
    ModelError
        There is no such network, it cannot be read, it is another kind's, or `Network` refuses it.
    """
    return Network(*read_network(name, kind))


def read_network(name: str | Path, kind: str | None = None) -> tuple[NetworkManifest, bytes]:
    """Read the two files of a network, which `Network` has yet to check; see `load_network`."""
    manifest_file, content_file = _files(name)
    try:
        text, content = manifest_file.read_bytes(), _content(content_file)
    except OSError as error:
        raise ModelError(f"the network {name} cannot be read: {error}", found=str(name)) from None
    manifest = read_manifest(text, str(name))
    if kind is not None and manifest.kind != kind:
        raise ModelError(
            f"{kind} was given the network {name}, which is for {manifest.kind}",
            expected=kind,
            found=manifest.kind,
        )
    return manifest, content


def _content(file: Traversable) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST_BYTES + 1)


def _files(name: str | Path) -> tuple[Traversable, Traversable]:
    path = Path(name)
    stem = path.with_suffix("") if path.suffix in (".onnx", ".json") else path
    manifest, content = (stem.parent / f"{stem.name}.{ending}" for ending in ("json", "onnx"))
    if may_be_file(name) and manifest.is_file() and content.is_file():
        return manifest, content
    shipped, contents = shipped_networks(), shipped_files("networks", ".onnx")
    if str(name) not in shipped or str(name) not in contents:
        sought = (manifest, content) if may_be_file(name) else ()
        missing = [str(one) for one in sought if not one.is_file()]
        lacking = f"{' and '.join(missing)} not found, and " if missing else ""
        raise ModelError(
            f"no network {name}: {lacking}none of that name ships; shipped: "
            f"{', '.join(shipped) or 'none'}",
            found=str(name),
            shipped=sorted(shipped),
        )
    return shipped[str(name)].file, contents[str(name)].file


def shipped_networks() -> dict[str, Shipped]:
    """Give the manifests of the networks that ship, by name."""
    return shipped_files("networks", ".json")


def shipped_content(name: str) -> bytes:
    """Give the content of a network that ships.

    Raises
    ------
    ModelError
        Its manifest ships alone.
    """
    found = shipped_files("networks", ".onnx").get(name)
    if found is None:
        raise ModelError(f"the network {name} ships without its file {name}.onnx", found=name)
    return _content(found.file)


def save_network(folder: Path, manifest: NetworkManifest, content: bytes) -> Path:
    """Write both files into ``folder``, once they were found to be right; give the manifest's path.

    Raises
    ------
    ModelError
        `Network` refuses them, or they cannot be written.
    """
    Network(manifest, content)
    path = folder / f"{manifest.name}.json"
    text = json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n"
    try:
        path.with_suffix("").with_name(f"{manifest.name}.onnx").write_bytes(content)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ModelError(f"the network cannot be written to {path}: {error}") from None
    return path
