"""`python -m glasshouse.comparison.measure REQUEST ANSWER`: latencies of finished models, and their costs.

A process of its own: TensorFlow's memory goes with it, and a GPU can be hidden from it. Both files are JSON.
Request: {"device": CPU or GPU, "pictures": folder of prepared pictures, "costs": whether they are wanted,
"models": {name: folder of its copy}}. Answer: {name: {"ms_1", "ms_32", "parameters", "multiply_adds"}}, empty
where there is no such device; `ms_*` are per picture, a figure that cannot be had is null.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from glasshouse.comparison.latency import measure_in_turns

BATCHES = (1, 32)
EXPORT = Path("exports/saved_model")
NETWORK = Path("models/model.keras")

Figures = dict[str, dict[str, float | None]]


def main(request_path: Path, answer_path: Path) -> None:
    """Measure what the request asks for."""
    from glasshouse.training.quiet import quiet

    with quiet():
        import tensorflow as tf
    request = json.loads(request_path.read_text(encoding="utf-8"))
    folders = {name: Path(folder) for name, folder in request["models"].items()}
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if request["device"] == "GPU" and not gpus:
        folders = {}
    figures = measure_latencies(folders, Path(request["pictures"])) if folders else {}
    if request["costs"]:
        for name, folder in folders.items():
            figures[name] |= count(folder, Path(request["pictures"]))
    answer_path.write_text(json.dumps(figures, allow_nan=False), encoding="utf-8")


def measure_latencies(folders: dict[str, Path], pictures: Path) -> Figures:
    """Median milliseconds a picture of every SavedModel, batch by batch, all models in turns."""
    from glasshouse.evaluation.validate import spread_pixels
    from glasshouse.export.parity import repeat_to
    from glasshouse.export.saved_model import load
    from glasshouse.inputs.prepared import open_prepared

    pixels = spread_pixels(open_prepared(pictures, "test"), max(BATCHES))
    models = {name: load(folder / EXPORT) for name, folder in folders.items()}
    figures: Figures = {name: {} for name in models}
    for batch in BATCHES:
        given = repeat_to(pixels, batch)
        times_ms = measure_in_turns({name: partial(predict, given) for name, predict in models.items()})
        for name, time_ms in times_ms.items():
            figures[name][f"ms_{batch}"] = time_ms / batch
    return figures


def count(folder: Path, pictures: Path) -> dict[str, float | None]:
    """Parameters and multiply-adds of the whole network (backbone, neck and head) on one picture."""
    from glasshouse.inputs.prepared import open_prepared
    from glasshouse.models.archive import read_notes
    from glasshouse.models.costs import count_costs
    from glasshouse.models.network import build_network
    from glasshouse.params import read_params

    prepared = open_prepared(pictures, "test")
    height, width = prepared.pixels.shape[1:3]
    network = build_network(
        read_params(folder / "params.yaml").model,
        height_px=height,
        width_px=width,
        classes=len(prepared.categories),
        load_weights=False,
        priors=read_notes(folder / NETWORK)["priors"],
    )
    try:
        costs = count_costs(network.full)
    except ValueError as error:  # a layer without a rule: its network is still ranked by all else
        print(f"{folder.name}: {error}", file=sys.stderr)
        return {"parameters": float(network.full.count_params()), "multiply_adds": None}
    return {"parameters": float(costs.params_total), "multiply_adds": float(costs.flops)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
