"""The networks of keras.applications as backbones: own scaling of pixels, exact strides, taps by name.

A backbone's file says which network, which scaling, which taps; the rest is here. Weights never change the
graph: a network with ImageNet weights, one without and one that is filled from a file are the same layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Literal

from glasshouse.models.archive import canonical_names
from glasshouse.models.layers.units import quicken_batch_norm
from glasshouse.models.lazy import keras, ops

# What keras.applications' `preprocess_input` calls its modes, and EfficientNetV2's own of -1..1.
Scaling = Literal["tf", "torch", "caffe", "efficientnet_v2"]
MEAN_RGB, SPREAD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, levels 0..1
MEAN_BGR = (103.939, 116.779, 123.68)  # of ImageNet, levels 0..255


def scale_pixels(pixels: Any, scaling: Scaling) -> Any:
    """Pixels (B, H, W, 3) RGB, 0..255, as the network's authors fed them.

    tf: -1..1. efficientnet_v2: 0..255 / 128 - 1. torch: each channel less its mean over ImageNet, divided by
    its spread. caffe: BGR less the mean, not divided.
    """
    scale: Any = 1 / 127.5
    offset: Any = -1.0
    if scaling == "efficientnet_v2":
        scale = 1 / 128
    elif scaling == "torch":
        scale = [1 / (255 * spread) for spread in SPREAD_RGB]
        offset = [-mean / spread for mean, spread in zip(MEAN_RGB, SPREAD_RGB, strict=True)]
    elif scaling == "caffe":
        pixels = ops.take(pixels, [2, 1, 0], axis=-1)
        scale, offset = 1.0, [-mean for mean in MEAN_BGR]
    return keras.layers.Rescaling(scale, offset, name="rescale")(pixels)


def build_taps(
    builder: str,
    pixels: Any,
    weights: str,
    taps: Mapping[str, str],
    scaling: Scaling,
    **options: Any,
) -> dict[str, Any]:
    """A network of keras.applications without its top, on scaled pixels.

    Args:
        builder: its name in keras.applications.
        pixels: (B, H, W, 3), 0..255.
        weights: `imagenet` for Keras's own file, anything else for fresh weights.
        taps: level -> where its features are: a layer's name for what it gives, `NAME.input` for what it
            takes, `output` for what the network gives.
        scaling: of the pixels.
        options: of the builder.

    Returns:
        The levels' tensors.
    """
    network = _build_body(builder, pixels, weights, scaling, **options)
    return {level: _find_tap(network, tap) for level, tap in taps.items()}


def rebuild_taps(
    builder: str,
    pixels: Any,
    weights: str,
    taps: Mapping[str, str],
    scaling: Scaling,
    *,
    pad_all: bool = False,
) -> dict[str, Any]:
    """As `build_taps`, for networks whose graph does not suit as it stands.

    The network's own scaling, which depends on where the weights are from, is left out. Automatic names are
    counted from the network's first layer, whatever was built before it. The weights fit as before.

    Args:
        builder, weights, taps, scaling: as for `build_taps`.
        pixels: as for `build_taps`; a Keras input.
        pad_all: whether "valid" padding becomes "same". Levels then have exactly the size that their stride
            says, and their border cells lie over the picture, as with `align_feature_maps` in TensorFlow's
            Inception-ResNet-v2 for detectors.
    """
    body = _build_body(builder, pixels, weights, scaling)
    with canonical_names(body):
        network = keras.Model(pixels, {level: _find_tap(body, tap) for level, tap in taps.items()})
        copy = keras.models.clone_model(
            network, input_tensors=pixels, clone_function=partial(_copy, pad_all), call_function=_call
        )
        for layer in copy.layers if weights == "imagenet" else ():
            if layer.weights:
                layer.set_weights(network.get_layer(layer.name).get_weights())
    outputs: dict[str, Any] = copy.output
    return outputs


def build_top(builder: str, size_px: tuple[int, int, int], classes: int, **options: Any) -> Any:
    """A network of keras.applications with its own top and fresh weights, for counting and comparing.

    Args:
        builder: its name in keras.applications.
        size_px: (height, width, channels) of the pictures.
        classes: outputs.
        options: of the builder.
    """
    network = getattr(keras.applications, builder)
    return network(weights=None, input_shape=size_px, classes=classes, **options)


def check_width(alpha: float, valid: Sequence[float], weights: str | None) -> float:
    """The width as given; raises ValueError where `weights` are ImageNet's and none are of that width."""
    if weights == "imagenet" and alpha not in valid:
        raise ValueError(f"must be one of {' '.join(map(str, valid))}: no other width has ImageNet weights")
    return alpha


def _build_body(builder: str, pixels: Any, weights: str, scaling: Scaling, **options: Any) -> Any:
    asked = "imagenet" if weights == "imagenet" else None
    with _imagenet_told() if asked else nullcontext():
        network = getattr(keras.applications, builder)(
            input_tensor=scale_pixels(pixels, scaling), include_top=False, weights=asked, **options
        )
    quicken_batch_norm(network)
    return network


@contextmanager
def _imagenet_told() -> Iterator[None]:
    """Raises ValueError where Keras has no whole file of weights: what it raises itself is a bare Exception
    where the file cannot be fetched, and HDF5's error, without a name, of one that was fetched in part."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception and not isinstance(error, OSError | ValueError):
            raise
        raise ValueError(
            f"model.backbone.weights: imagenet: {error}. Keras fetches the file once and keeps it in "
            "~/.keras/models (with KERAS_HOME set, in its folder models): delete one that is damaged there, "
            "try again where the network is, or name an .h5 file."
        ) from error


def _find_tap(network: Any, tap: str) -> Any:
    if tap == "output":
        return network.output
    name, _, side = tap.partition(".")
    return getattr(network.get_layer(name), side or "output")


def _copy(pad_all: bool, layer: Any) -> Any:
    config = layer.get_config()
    if pad_all and config.get("padding") == "valid":
        config |= {"padding": "same"}
    return type(layer).from_config(config)


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    is_scaling = isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)
    return args[0] if is_scaling and layer.name != "rescale" else layer(*args, **kwargs)
