"""An ONNX graph, operator by operator. Needs the package onnx."""

from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from onnx import NodeProto, TensorProto, helper, numpy_helper


class Graph:
    """Operators in the order in which they run, and constants. Results go by their names.

    Attributes:
        operators: as ONNX has them.
        constants: name -> value.
    """

    def __init__(self) -> None:
        self.operators: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        """An operator with one result.

        Args:
            operator: its ONNX name.
            inputs: names of results, constants or the model's inputs.
            to: the result's name, where it matters.
            attributes: the operator's.

        Returns:
            The result's name.
        """
        result = to or f"{operator}/{len(self.operators)}"
        self._append(operator, inputs, [result], attributes)
        return result

    def split(self, source: str, sizes: list[int], *, axis: int) -> list[str]:
        """Consecutive parts along an axis; of one part, the source itself."""
        if len(sizes) == 1:
            return [source]
        parts = [f"{source}/{part}" for part in range(len(sizes))]
        lengths = self.constant(f"{source}/sizes", np.array(sizes, np.int64))
        self._append("Split", (source, lengths), parts, {"axis": axis})
        return parts

    def join(self, parts: list[str], *, axis: int) -> str:
        """Parts one after the other along an axis; of one part, the part itself."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=axis)

    def take(self, source: str, entries: Int[np.ndarray, "..."], *, axis: int) -> str:
        """Entries along an axis, by number; the axes of `entries` take the place of that axis."""
        name = self.constant(f"entries/{len(self.operators)}", entries.astype(np.int32))
        return self.add("Gather", source, name, axis=axis)

    def reduce(self, operator: str, source: str, *, axis: int, keepdims: bool = False) -> str:
        """ReduceMax and its like along one axis."""
        axes = self.constant(f"axis/{axis}", np.array([axis], np.int64))
        return self.add(operator, source, axes, keepdims=int(keepdims))

    def constant(self, name: str, value: Shaped[np.ndarray, "..."]) -> str:
        """A constant, which is stored once however often it is asked for; its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _append(
        self, operator: str, inputs: tuple[str, ...], to: list[str], attributes: dict[str, Any]
    ) -> None:
        name = f"{operator}/{len(self.operators)}"
        self.operators.append(helper.make_node(operator, inputs, to, name, **attributes))
