"""What each row must cost at least: bytes that have to move, operations that have to be done.

A formula counts what no implementation of the same mathematics can leave out, with float32 and
int32 (4 bytes) for numbers and columns and one byte for a label. The floor in seconds is the
longer of bytes over the memory bandwidth and operations over the rate of a matrix product, both
measured in the same run. What fits into the caches moves faster than memory does, so a small row
may come out below its floor.
"""

import math
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Size:
    """What the formulas depend on: members, nodes and edges; examples, and of them in a batch."""

    members: int
    nodes: int
    edges: int
    examples: int
    batch: int
    features: int
    hidden: int
    layers: int = 2

    @property
    def weights(self) -> int:
        """Weights and biases of all members."""
        sizes = [self.features, *[self.hidden] * (self.layers - 1), self.nodes]
        return self.members * sum(above * below + below for above, below in pairwise(sizes))

    @property
    def entries(self) -> int:
        """(member, example, node) entries of a batch."""
        return self.members * self.batch * self.nodes


@dataclass(frozen=True)
class Work:
    """Bytes moved and operations done."""

    bytes: float
    flops: float

    def seconds(self, machine: "Machine") -> float:
        """The floor on a machine."""
        return max(self.bytes / machine.bytes_per_second, self.flops / machine.flops_per_second)


@dataclass(frozen=True)
class Machine:
    """What a large copy and a large float32 matrix product reach here."""

    bytes_per_second: float
    flops_per_second: float


def coherent(size: Size) -> Work:
    """Per entry: read the score 4, write the maximum 4 and the arg-max 4; read the edges, 8 each.

    One comparison per edge and row, a row being an example of a member.
    """
    rows = size.members * size.batch
    return Work(bytes=12 * size.entries + 8 * size.edges, flops=rows * size.edges)


def constraint(size: Size) -> Work:
    """As `coherent`, and read a label of 1 byte per (example, node); two comparisons per edge."""
    plain = coherent(size)
    return Work(bytes=plain.bytes + size.batch * size.nodes, flops=2 * plain.flops)


def constraint_backward(size: Size) -> Work:
    """`constraint`, and per entry: read gradient 4 and arg-max 4, write 4; one addition."""
    forward = constraint(size)
    return Work(bytes=forward.bytes + 12 * size.entries, flops=forward.flops + size.entries)


def loss(size: Size) -> Work:
    """Forward and backward in one pass: read a logit 4, write its gradient 4, a label 1 byte.

    A label per (example, node), two weights of 4 bytes per node, the edges. Operations per entry:
    sigmoid and softplus 3 each, entropy, focal and imbalance weight 6; exp and log count as one.
    Two comparisons per edge and row.
    """
    rows = size.members * size.batch
    return Work(
        bytes=8 * size.entries + size.batch * size.nodes + 8 * size.nodes + 8 * size.edges,
        flops=12 * size.entries + 2 * rows * size.edges,
    )


def step(size: Size) -> Work:
    """`loss`, the network forward and backward, and Adam.

    Per weight 40 bytes: read forward 4, read backward 4, write gradient 4; Adam reads weight,
    gradient and two moments 16, and writes three of them 12. Operations per weight: 2 per example
    forward, 4 backward (2 in the first layer, whose input needs no gradient), 12 in Adam.
    """
    of_loss = loss(size)
    first = size.members * size.features * size.hidden
    products = 6 * size.batch * size.weights - 2 * size.batch * first
    return Work(
        bytes=of_loss.bytes + 40 * size.weights,
        flops=of_loss.flops + products + 12 * size.weights,
    )


def epoch(size: Size) -> Work:
    """As many `step`s as there are batches; reading the examples is little beside that."""
    one, steps = step(size), math.ceil(size.examples / size.batch)
    return Work(bytes=steps * one.bytes, flops=steps * one.flops)


def evaluation(size: Size) -> Work:
    """Predict all examples, then judge each entry.

    Bytes: the weights 4 each once; per (member, example, node) write and read a logit 8 and a
    maximum 8; per (example, node) read the mean 4. Operations: 2 per weight and example; three
    comparisons per (example, node), one for each ranking and one for the decision.
    """
    pairs = size.examples * size.nodes
    return Work(
        bytes=4 * size.weights + 16 * size.members * pairs + 4 * pairs,
        flops=2 * size.examples * size.weights + 3 * pairs,
    )
