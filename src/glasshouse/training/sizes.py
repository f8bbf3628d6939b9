"""Training at several picture sizes: the network's weights are the same, what its head expects is not.

After Redmon and Farhadi, "YOLO9000", arXiv:1612.08242, section 2 ("Multi-Scale Training").
"""

from __future__ import annotations

from glasshouse.models.contracts import Head
from glasshouse.models.network import Network
from glasshouse.params.sizes import Size


def head_at(network: Network, size: Size) -> Head:
    """The head of the network as it is at another size.

    Raises:
        ValueError: the network's weights would be others there, as those of a dense layer on all cells.
    """
    height_px, width_px = size
    assert network.twin is not None  # build_network gives it
    twin = network.twin(height_px=height_px, width_px=width_px)
    for own, other in zip(network.full.weights, twin.full.weights, strict=True):
        if own.shape != other.shape:
            raise ValueError(
                f"fine_tune.sizes_px: {own.path} has the shape {tuple(own.shape)}, but {tuple(other.shape)} "
                f"at {height_px} x {width_px} px: this head can learn at one size alone. Set it to []."
            )
    return twin.head
