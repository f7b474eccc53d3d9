"""What the search may try: one line for each idea, in order of promise (docs/reference/optimisation.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Need(Enum):
    """What a target and a model must have for an idea to make sense there."""

    INT8 = auto()  # the target computes in eight bits
    LESS = auto()  # … or in anything but float32, so that answers may change
    FLOAT16 = auto()
    BFLOAT16 = auto()
    ONNX = auto()  # the target's runtime reads ONNX …
    TFLITE = auto()  # … or TFLite
    OPENVINO = auto()  # the target's runtime
    TENSORRT = auto()
    ETHOS = auto()  # the target's accelerator
    CORE = auto()  # it has no such accelerator
    FLOAT32 = auto()  # the target computes in float32
    FROM_ONNX = auto()  # the source is an ONNX file, as ideas take it for granted …
    FROM_TFLITE = auto()  # … or a TFLite file
    NETWORK = auto()  # the model multiplies by weights
    DENSE = auto()  # it has no convolution
    ATTENTION = auto()  # it is a transformer
    LABELS = auto()  # its training rows have labels


@dataclass(frozen=True)
class Idea:
    """A recipe, in which words in braces are the target's own (signedness, accelerator), its needs, and a reason.

    `else_` says why it is not tried on a model that lacks what it needs; "" where nobody would expect it there.
    """

    recipe: str
    needs: frozenset[Need]
    why: str
    else_: str = ""


def _idea(recipe: str, *needs: Need, why: str, else_: str = "") -> Idea:
    source = () if Need.FROM_TFLITE in needs else (Need.FROM_ONNX,)
    return Idea(recipe, frozenset((*needs, *source)), why, else_)


STATIC = "static-int8 activations={activations} per_channel=true weights={weights}"
NOTHING = "it multiplies by no weights, so there is nothing to quantise"
SLOW = "on convolutions, scales that are found on the way make it several times slower"

N = Need

IDEAS = (
    # As it is.
    _idea("clean", N.ONNX, why="the graph cleaned: no answer changes"),
    # Eight bits, scales fixed beforehand.
    _idea(
        f"clean → {STATIC}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="weights and activations in eight bits, a scale for each channel",
        else_=NOTHING,
    ),
    _idea(
        "clean → dynamic-int8",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        N.DENSE,
        why="weights in eight bits, scales of activations found on the way: transformers and dense layers",
        else_=SLOW,
    ),
    _idea(
        f"clean → prune ratio=0.2 → {STATIC}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="the smallest fifth of the weights goes before eight bits: it compresses to almost nothing on the way",
    ),
    _idea(
        "clean → static-int8 activations={activations} calibrator=entropy per_channel=true weights={weights}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="scales that keep the most information",
    ),
    _idea(
        "clean → static-int8 activations={activations} calibrator=percentile per_channel=true weights={weights}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="scales that leave out rare extremes",
    ),
    _idea(
        "clean → static-int8 activations={activations} per_channel=false weights={weights}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="one scale for each tensor: what the oldest runtimes know",
    ),
    _idea(
        "clean → static-int8 activations={activations} per_channel=true sensitive=1 weights={weights}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="the layer that eight bits hurt most stays float",
    ),
    _idea(
        f"clean → prune ratio=0.4 → {STATIC}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="two fifths of the weights go before eight bits",
    ),
    _idea(
        "clean → static-int8 activations=s8 per_channel=true weights=s8",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        why="both signed: what kernels in C and some accelerators want",
    ),
    # Half precision and zeros alone.
    _idea("clean → fp16", N.ONNX, N.FLOAT16, N.NETWORK, why="half the bytes, eleven bits of each number"),
    _idea("clean → bf16", N.ONNX, N.BFLOAT16, N.NETWORK, why="half the bytes, eight bits of each number"),
    _idea(
        "clean → prune ratio=0.2",
        N.ONNX,
        N.LESS,
        N.NETWORK,
        why="a fifth of the weights zero: smaller to send, not faster",
    ),
    _idea("clean → prune ratio=0.4", N.ONNX, N.LESS, N.NETWORK, why="two fifths of the weights zero"),
    # With training: minutes each.
    _idea(
        f"clean → prune-channels ratio=0.5 → {STATIC}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        N.LABELS,
        why="half the channels go, the rest learns on, then eight bits",
    ),
    _idea(
        f"distill → {STATIC}",
        N.ONNX,
        N.INT8,
        N.LABELS,
        why="a smaller student learns from the source, then eight bits",
    ),
    _idea(
        "clean → prune-channels ratio=0.5",
        N.ONNX,
        N.LESS,
        N.NETWORK,
        N.LABELS,
        why="half the channels go, the rest learns on",
    ),
    _idea("distill", N.ONNX, N.LESS, N.NETWORK, N.LABELS, why="a smaller student learns from the source"),
    _idea(
        "clean → qat activations={activations} weights={weights}",
        N.ONNX,
        N.INT8,
        N.NETWORK,
        N.LABELS,
        why="eight bits that the weights have learned to live with",
    ),
    # Other runtimes' own ways.
    _idea("clean → litert precision=float32", N.TFLITE, N.FLOAT32, why="as TFLite: no answer changes"),
    _idea(
        "clean → litert precision=int8",
        N.TFLITE,
        N.INT8,
        N.NETWORK,
        N.CORE,
        why="eight bits throughout, scales from training rows",
        else_=NOTHING,
    ),
    _idea(
        "clean → litert precision=dynamic",
        N.TFLITE,
        N.INT8,
        N.FLOAT32,
        N.NETWORK,
        why="weights in eight bits, activations as they come",
    ),
    _idea(
        "clean → prune-channels ratio=0.5 → litert precision=int8",
        N.TFLITE,
        N.INT8,
        N.NETWORK,
        N.LABELS,
        N.CORE,
        why="half the channels go, the rest learns on, then eight bits throughout",
    ),
    _idea(
        "distill → litert precision=int8",
        N.TFLITE,
        N.INT8,
        N.LABELS,
        N.CORE,
        why="a smaller student learns from the source, then eight bits throughout",
    ),
    _idea(
        "clean → litert precision=int8 → vela accelerator={accelerator} memory_mode={memory_mode} "
        "system_config={system_config}",
        N.ETHOS,
        N.NETWORK,
        why="eight bits, in a program for the accelerator",
    ),
    _idea(
        "vela accelerator={accelerator} memory_mode={memory_mode} system_config={system_config}",
        N.FROM_TFLITE,
        N.ETHOS,
        why="the file as it is, in a program for the accelerator",
    ),
    _idea(
        "clean → nncf transformer=true",
        N.OPENVINO,
        N.INT8,
        N.ATTENTION,
        why="eight bits placed as OpenVINO's kernels for attention want them",
    ),
    _idea("clean → tensorrt", N.TENSORRT, N.NETWORK, why="what the device builds its engine of"),
)
