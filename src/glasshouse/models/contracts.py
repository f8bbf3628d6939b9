"""What a backbone, a neck and a head promise each other.

Backbone  build(pixels, params)   -> {"c2": ..., "c3": ..., "c4": ..., "c5": ...}; the number is the log2 of
          the stride. Necks and heads stand on c3, c4, c5. One without them says so in its Params: `pyramid:
          ClassVar[bool] = False`; then only heads that pool its coarsest level take it
          build_classifier(params, classes) -> the network with its own top, for INPUT_SIZE_PX (height, width,
          channels); MIN_SIZE_PX is the smallest side that `build` takes
Neck      build(features, params) -> {"p3": ..., ...}
Head      a class `Head`, below

`Params` of a head hold `fine_tuning: ClassVar[FineTuning]`, what `auto` in the block fine_tune stands for.

A head's module may also hold `learn_priors(params, boxes_xyxy_px, classes, size, seed) -> priors`: what the
head takes from the training boxes (N, 4) of classes (N,) in pictures of `size` (height, width) before it is
built, such as anchors, in plain JSON values. `Head` then takes it as `priors`; the network's file keeps it,
so that every later stage builds the same.

A `Head` may have two methods more. `scan(full, pixels) -> predictions` stands in for `decode(full(pixels))`
in the network that people use, for a head that looks at a picture more than once. `count_lost(labels) ->
(B,)` says how many objects of each picture its targets have no place for. `one_object = True`, there and in
`Params`, says that a picture has one target, its class or its largest object: mosaics, which change what that
is, are left out, mixtures and pasted objects refused. `one_size` of `Params` names the options, and the
values of them, by which it is made for pictures of one size: then it learns at that size alone.
"""

from __future__ import annotations

from typing import Any, Protocol

Tensors = dict[str, Any]


class Head(Protocol):
    """Outputs, targets, loss and decoding of one task in one place: apart, they drift."""

    outputs: tuple[str, ...]  # names of the raw outputs
    terms: tuple[str, ...]  # names of the terms of the loss

    def build(self, features: Tensors) -> Tensors:
        """Put the head on the neck's levels and return its raw outputs."""

    def encode(self, labels: Tensors) -> Tensors:
        """Turn a batch of labels into what `loss` compares raw outputs with."""

    def loss(self, targets: Tensors, raw: Tensors) -> Tensors:
        """Return each term of the loss, weighted and per picture: {name: (B,)}."""

    def decode(self, raw: Tensors) -> Tensors:
        """Turn raw outputs into predictions; the inverse of `encode`."""
