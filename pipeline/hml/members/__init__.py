"""The members of an ensemble, by kind.

A member predicts coherent probabilities of examples. Kinds differ in how they learn; what they do
afterwards is one small contract, `Members`.
"""

from pipeline.hml.members.averages import AveragingMembers
from pipeline.hml.members.contract import Members
from pipeline.hml.members.forest import ForestMembers
from pipeline.hml.members.kernel import KernelMembers
from pipeline.hml.members.neighbours import NeighbourMembers
from pipeline.hml.members.networks import NetworkMembers

KINDS: dict[str, type[Members]] = {
    members.kind: members
    for members in (NetworkMembers, NeighbourMembers, ForestMembers, KernelMembers)
}

__all__ = [
    "KINDS",
    "AveragingMembers",
    "ForestMembers",
    "KernelMembers",
    "Members",
    "NeighbourMembers",
    "NetworkMembers",
]
