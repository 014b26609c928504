"""Matrix products in which an example's answer does not depend on its place among the others."""

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional

# Columns and rows below which MKL rounds differently from row to row, too (measured: below 12
# columns, with AVX2 and with AVX-512; with AVX2 also in fewer than 4 rows for each of two threads).
NARROW = 16


def product(
    x: Float[np.ndarray, "example inner"], weight: Float[np.ndarray, "inner column"]
) -> Float[np.ndarray, "example column"]:
    """`x @ weight` in the wider of their precisions, by the library of the networks.

    numpy's, OpenBLAS, rounds float32 differently from row to row where a processor has AVX2 and
    no AVX-512: the same example gets other last bits in six of each twelve places.
    """
    dtype = np.result_type(x, weight)
    left, right = (torch.from_numpy(part.astype(dtype, copy=False)) for part in (x, weight))
    rows, columns = len(left), right.shape[1]
    left = functional.pad(left, (0, 0, 0, max(0, NARROW - rows)))
    right = functional.pad(right, (0, max(0, NARROW - columns)))
    return (left @ right)[:rows, :columns].numpy()
