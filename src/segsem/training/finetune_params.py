"""Parameters of few-shot fine-tuning: the command line, the form and the record read them here."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from segsem.core.params import StageParams


class TrainedPart(StrEnum):
    """What of a model learns."""

    IMAGE_ENCODER = "image_encoder"
    MASK_DECODER = "mask_decoder"
    ALL = "all"
    LORA = "lora"


class FinetuneParams(StageParams):
    """Everything that decides what fine-tuning gives, beside the images and the base model."""

    train: TrainedPart = Field(
        TrainedPart.IMAGE_ENCODER,
        title="What learns",
        description=(
            "image_encoder: how images are seen, while how prompts are answered stays as it is; "
            "mask_decoder: the other way round; all: both; lora: small changes of the image "
            "encoder's attention."
        ),
    )
    epochs: int = Field(
        12,
        ge=1,
        le=1000,
        title="Epochs",
        description="Rounds through the training images, at most; it ends earlier where no better.",
    )
    patience: int = Field(
        4,
        ge=1,
        le=1000,
        title="Patience (epochs)",
        description="Ends after so many epochs in which the validation sites got no better.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Of the split and of all that is drawn; the same seed gives the same weights.",
    )
    learning_rate: float = Field(
        0.0,
        ge=0.0,
        le=0.1,
        title="Learning rate",
        description="Highest, after warm-up; 0 = what suits the base model and what learns.",
    )
    layer_decay: float = Field(
        0.9,
        gt=0.0,
        le=1.0,
        title="Layer-wise decay",
        description="Each block of the image encoder learns so much slower than the one above it.",
    )
    warmup: float = Field(
        0.1,
        ge=0.0,
        le=0.5,
        title="Warm-up",
        description="Share of all steps in which the learning rate rises to its highest.",
    )
    weight_decay: float = Field(
        0.02, ge=0.0, le=1.0, title="Weight decay", description="Of matrices only, as in AdamW."
    )
    grad_clip: float = Field(
        1.0, gt=0.0, le=100.0, title="Gradient clipping", description="Longest gradient of a step."
    )
    averaging: float = Field(
        0.95,
        ge=0.0,
        lt=1.0,
        title="Averaging of weights",
        description=(
            "What validation sees and what is kept is an average over about 1 / (1 - this) steps; "
            "0 = the weights of the last step."
        ),
    )
    calibration_sites: int = Field(
        12,
        ge=0,
        le=100,
        title="Calibration sites",
        description=(
            "Validation sites that confidence is calibrated on for the new model; 0 = not at all."
        ),
    )
    frames_per_image: int = Field(
        0,
        ge=0,
        le=64,
        title="Frames of an image",
        description=(
            "Cut from each training image in an epoch; 0 = as many as cover it, from 2 to 6, and "
            "fewer where more than 16 images teach."
        ),
    )
    frames_per_step: int = Field(
        0,
        ge=0,
        le=64,
        title="Frames of a step",
        description="Encoded together; 0 = 2 for segsem-nano, 1 for larger models.",
    )
    objects_per_frame: int = Field(
        6,
        ge=1,
        le=64,
        title="Objects of a frame",
        description="Asked for in each frame, once it is encoded.",
    )
    objects_at_once: int = Field(
        0,
        ge=0,
        le=256,
        title="Objects at once",
        description="Fewer take less memory; 0 = 12 for segsem-nano, 2 for larger models.",
    )
    box_share: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        title="Share of boxes",
        description="Share of objects that are asked for with a box; the others with clicks.",
    )
    corrections: int = Field(
        2,
        ge=0,
        le=7,
        title="Correction clicks",
        description="Rounds of clicks into what was wrong, at most.",
    )
    augment: bool = Field(
        True,
        title="Vary the images",
        description=(
            "Flips, right angles, small rotation, dose, defocus, contrast and charging, as a "
            "microscope varies them."
        ),
    )
    rotation_deg: float = Field(
        4.0,
        ge=0.0,
        le=45.0,
        title="Rotation (degrees)",
        description="Largest small rotation to either side; needs 'Vary the images'.",
    )
    lora_rank: int = Field(
        8, ge=1, le=256, title="LoRA rank", description="Rank of the changes where lora learns."
    )
    bf16: bool = Field(
        False,
        title="bfloat16",
        description="Compute in 16 bits; a gain on GPUs that have it, a loss on most CPUs.",
    )
