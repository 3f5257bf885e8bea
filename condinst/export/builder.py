"""Write ONNX graphs by one method call per node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["GraphBuilder"]

# The oldest version that supports opsets up to 20; runtimes since 2023 read it.
_IR_VERSION = 9


class GraphBuilder:
    """The nodes and constants of a graph, in the order of computation.

    ``builder.MatMul(a, b)`` appends a node and returns the name of its output. Inputs are names, or
    numpy arrays, numbers and lists, which become constants: int64 for integers, float32 for floats.
    Keyword arguments are the node's attributes; ``outputs=2`` gives a node several outputs.

    Args:
        prefix: prefix of the names of nodes and values, which avoids collisions.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._constants: dict[tuple, str] = {}

    def __getattr__(self, op_type: str) -> Any:
        if not op_type[0].isupper():
            raise AttributeError(op_type)

        def append(*inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
            return self.append(op_type, inputs, outputs, attributes)

        return append

    def append(
        self, op_type: str, inputs: Sequence[Any], outputs: int, attributes: dict[str, Any]
    ) -> Any:
        """Add a node; return the name of its output, or a list of names."""
        name = f"{self.prefix}{op_type}_{len(self.nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        used = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(helper.make_node(op_type, used, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any) -> str:
        """Return the name of a constant; equal constants are stored once."""
        array = np.asarray(value)
        if not isinstance(value, np.ndarray):
            integer = np.issubdtype(array.dtype, np.integer)
            array = array.astype(np.int64 if integer else np.float32)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"{self.prefix}constant_{len(self._constants)}"
            self.initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def named(self, name: str, value: np.ndarray | np.generic) -> str:
        """Add a constant under a given name and return the name; a second value is ignored."""
        if all(tensor.name != name for tensor in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def include(self, model: ModelProto, inputs: Sequence[str]) -> list[str]:
        """Add the nodes of another model, with the values ``inputs`` as its inputs.

        Returns:
            The names of the other model's outputs.
        """
        graph = model.graph
        assert len(graph.input) == len(inputs), (len(graph.input), len(inputs))
        renamed = {"": ""} | dict(zip((i.name for i in graph.input), inputs, strict=True))

        def rename(name: str) -> str:
            return renamed.setdefault(name, f"network/{name}")

        for tensor in graph.initializer:
            self.initializers.append(TensorProto())
            self.initializers[-1].CopyFrom(tensor)
            self.initializers[-1].name = rename(tensor.name)
        for node in graph.node:
            assert not any(a.type == AttributeProto.GRAPH for a in node.attribute), node.name
            self.nodes.append(NodeProto())
            self.nodes[-1].CopyFrom(node)
            self.nodes[-1].name = f"network/{node.name}"
            self.nodes[-1].input[:] = [rename(name) for name in node.input]
            self.nodes[-1].output[:] = [rename(name) for name in node.output]
        return [rename(output.name) for output in graph.output]

    def build(
        self,
        inputs: Sequence[tuple[str, int, Sequence]],
        outputs: Sequence[tuple[str, str, int, Sequence]],
        opset: int,
    ) -> ModelProto:
        """Build the model.

        Args:
            inputs: name, element type and shape of each input; a text in a shape names a size that
                varies.
            outputs: name, value, element type and shape of each output.
            opset: ONNX opset.
        """
        for name, value, _, _ in outputs:
            self.nodes.append(helper.make_node("Identity", [value], [name], name=f"output/{name}"))
        graph = helper.make_graph(
            self.nodes,
            "condinst",
            [helper.make_tensor_value_info(*x) for x in inputs],
            [helper.make_tensor_value_info(name, kind, shape) for name, _, kind, shape in outputs],
            self.initializers,
        )
        return helper.make_model(
            graph,
            producer_name="condinst",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", opset)],
        )
