"""The blocks of params.yaml: one class a block, one field a key. Units stand in the file itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from glasshouse.params.parts import Backbone, Part
from glasshouse.params.strict import (
    BatchSize,
    Count,
    CountOrNone,
    FromList,
    GreyLevel,
    NetworkSide,
    NotNegative,
    OpenShare,
    PictureSide,
    Positive,
    Share,
    Strict,
    Text,
)

ExportFormat = Literal["saved_model", "litert", "litert_int8", "onnx"]
Severity = Literal["critical", "warning"]


class Blooms(Strict):
    """The embedded data set."""

    pictures: Annotated[int, Field(ge=1, le=10_000_000)]
    size_px: Annotated[int, Field(ge=32, le=2048)]


class Dataset(Strict):
    """Where the pictures come from."""

    source: Literal["blooms", "tfds", "folder"]
    blooms: Blooms
    name: Text
    splits: Text
    data_dir: Text
    path: Text
    url: Text
    sha256: Annotated[str, Field(pattern="^(none|[0-9a-f]{64})$")]
    format: Literal["class_folders", "voc", "coco", "yolo", "via", "csv", "npy"]
    classes: Annotated[tuple[Text, ...], FromList]


class Split(Strict):
    """How the pictures are divided; the shares are of all pictures."""

    method: Literal["stratified", "ordered", "given"]
    test: OpenShare
    valid: OpenShare
    near_copy_bits: Annotated[int, Field(ge=0, le=64)]
    balance: Literal["none", "oversample"]


class Preprocess(Strict):
    """What every picture is brought to."""

    height_px: PictureSide
    width_px: PictureSide
    resize: Literal["letterbox", "crop", "stretch"]
    pad_value: Annotated[int, Field(ge=0, le=255)]


class Model(Strict):
    """The network; each part's own keys are checked by the `Params` of the file that its name points to."""

    task: Literal["detect", "localize", "classify"]
    seed: CountOrNone = 0
    backbone: Backbone
    neck: Part
    head: Part


class TrainHead(Strict):
    """Training of the neck and head on the frozen backbone."""

    epochs: Count
    epoch_pictures: CountOrNone
    batch_size: BatchSize
    learning_rate: Positive
    features: Literal["cached", "live"]
    variants: Count


class FineTune(Strict):
    """Training of all layers from `unfreeze_from` upward."""

    epochs: Count
    epoch_pictures: CountOrNone
    batch_size: BatchSize
    learning_rate: Positive
    unfreeze_from: Text
    batch_norm: Literal["train", "frozen"]
    warmup_epochs: CountOrNone
    weight_decay: NotNegative
    clip_norm: Positive
    ema_epochs: NotNegative
    validate_every: Count
    sizes_px: Annotated[tuple[NetworkSide, ...], FromList]


class Augment(Strict):
    """Random changes of the training pictures."""

    flip: Share
    rotate: Annotated[float, Field(ge=0, le=180)]
    crop: Share
    scale: Annotated[tuple[Positive, Positive], FromList]
    translate: Share
    brightness: Share
    contrast: Share
    saturation: Share
    hue: Annotated[float, Field(ge=0, le=0.5)]
    mosaic: Share
    mix_up: Share
    copy_paste: Share
    mosaic_off_epochs: CountOrNone


class Evaluate(Strict):
    """Decoding, scoring and the report."""

    score_threshold: Annotated[float, Field(ge=0, lt=1)]
    nms: Literal["hard", "soft"]
    nms_iou: Annotated[float, Field(gt=0, le=1)]
    max_detections: Annotated[int, Field(ge=1, le=1000)]
    batch_size: BatchSize
    bootstrap_rounds: Annotated[int, Field(ge=20, le=100_000)]
    gallery_pictures: CountOrNone
    gallery_score: Share
    explained_pictures: CountOrNone


class Export(Strict):
    """What is taken away, and how near to Keras it has to be."""

    formats: Annotated[tuple[ExportFormat, ...], FromList, Field(min_length=1)]
    calibration_pictures: Count
    tolerance_fp32: Positive
    tolerance_int8_map: Share
    latency_runs: Count


class StageQuality(Strict):
    """Of every stage's guard: checks by name whose severity is another here than in the suite."""

    severity: dict[str, Severity]


class DownloadQuality(StageQuality):
    """Limits on the raw pictures and labels."""

    min_pictures: Count
    min_side_px: Count
    max_side_px: Count
    max_ratio: Annotated[float, Field(ge=1)]
    max_quarantined: Share
    min_mean_level: GreyLevel
    max_mean_level: GreyLevel
    min_spread_level: GreyLevel
    min_sharpness: NotNegative
    min_box_px: NotNegative
    max_objects: Count
    max_bare_share: Share
    min_class_pictures: CountOrNone
    max_faulty_labels: Share
    max_psi: Positive
    max_ks: Share


class SplitQuality(StageQuality):
    """Limits on the split."""

    ratio_tolerance: Share
    class_mix_tolerance: Share


class PreprocessQuality(StageQuality):
    """Limits on the prepared pictures."""

    min_box_px: NotNegative
    max_crop_difference: GreyLevel


class TrainHeadQuality(StageQuality):
    """Limits on the training of the head."""

    max_final_loss_ratio: Positive


class FineTuneQuality(StageQuality):
    """Limits on the fine-tuning."""

    max_final_loss_ratio: Positive
    max_valid_drop: Share


class EvaluateQuality(StageQuality):
    """Limits on the scores."""

    min_score: Share


class ExportQuality(StageQuality):
    """Limits on the exports."""

    max_latency_ratio: Annotated[float, Field(ge=1)]


class Quality(Strict):
    """The limits of every stage's guard."""

    mode: Literal["enforce", "report"]
    download: DownloadQuality
    split: SplitQuality
    preprocess: PreprocessQuality
    train_head: TrainHeadQuality
    fine_tune: FineTuneQuality
    evaluate: EvaluateQuality
    export: ExportQuality


class Promotion(Strict):
    """When a challenger becomes the champion; shares are of the metric."""

    metric: Literal["main", "mAP_50_95", "mAP_50", "accuracy", "mean_iou"]
    rule: Literal["better", "not_worse"]
    margin: Share
    tolerance: Share
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    class_floor: Share
    class_floors: dict[str, Share]
    lost_classes: Literal["refuse", "allow"]


class Tracking(Strict):
    """Names in MLflow."""

    experiment: Text
    model_name: Text


class Params(Strict):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    dataset: Dataset
    split: Split
    preprocess: Preprocess
    model: Model
    train_head: TrainHead
    fine_tune: FineTune
    augment: Augment
    evaluate: Evaluate
    export: Export
    quality: Quality
    promotion: Promotion
    tracking: Tracking
