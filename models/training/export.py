"""From a torch module to the content of an ONNX file.

The same weights give the same bytes: what torch notes of the machine that exports, such as paths of
source files, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def onnx_content(
    module: Any,
    example: tuple[Any, ...],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int,
    any_first_axis: bool = False,
) -> bytes:
    """Give a module, as it is when it is not training, as the content of an ONNX file.

    Parameters
    ----------
    module
        Network of torch.
    example
        Tensors of the shapes that the module takes.
    inputs, outputs
        Names of what goes in and comes out.
    opset
        Version of ONNX's operators.
    any_first_axis
        Let the first axis of the one input have any length, in place of the example's.
    """
    axes = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if any_first_axis else {}
    program = torch.onnx.export(
        module.eval(),
        example,
        input_names=list(inputs),
        output_names=list(outputs),
        opset_version=opset,
        dynamo=True,
        verbose=False,
        **axes,
    )
    proto = program.model_proto
    del proto.metadata_props[:]
    for node in proto.graph.node:  # where each came from in this machine's files
        del node.metadata_props[:]
        node.doc_string = ""
    content: bytes = proto.SerializeToString(deterministic=True)
    return content
