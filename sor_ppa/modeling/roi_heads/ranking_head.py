"""The ranking head: which object is looked at first, which second.

One design covers the eight published heads: what each object is told about its position, and
whether the objects of a picture attend to each other before they are ranked.
Position-Preserved Attention (Fang et al., ICCV 2021), figure 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.weight_init import kaiming_init, normal_init

#: What a head knows of position: nothing; the pooled coordinate maps; these and a convolution of
#: them (the paper's choice); the box's centre and size; a learnt vector per grid cell.
POSITIONS = ("none", "maps", "maps_conv", "box", "grid")

#: Published head name -> (position, objects attend to each other).
PUBLISHED_HEADS: dict[str, tuple[str, bool]] = {
    "SinglePredictor": ("none", False),
    "SinglePredictorWithPos": ("maps_conv", False),
    "SelfAttentionPredictor": ("none", True),
    "SelfAttentionWithPosCat": ("maps", True),
    "SelfAttentionWithPosConvCat": ("maps_conv", True),
    "SelfAttentionWithOtherPos": ("box", True),
    "SelfAttentionWithOtherPosQuant": ("grid", True),
}


class RankingHead(nn.Module):
    """Logits of the rank classes for every object.

    Args:
        in_channels: of the pooled features.
        resolution: side of the pooled features.
        num_ranks: rank classes; column num_ranks - 1 stands for rank 1.
        position: one of :data:`POSITIONS`.
        attention_layers: Transformer encoder layers over the objects of a picture; 0 = none.
        conv_dim, num_conv: 3x3 convolutions; the last one halves the resolution.
        dense_dim, object_dim: widths of the two linear layers.
        num_heads, dropout: of the encoder.
        grid_size: cells a side for position "grid".
        canvas_hw: height and width (pixels) that boxes are measured against.
        true_height: position "box" gives y2 - y1 (True) or, as published, y2 + y1.
    """

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        resolution: int = 14,
        num_ranks: int = 5,
        position: str = "maps_conv",
        attention_layers: int = 4,
        conv_dim: int = 256,
        num_conv: int = 4,
        dense_dim: int = 1024,
        object_dim: int = 1024,
        num_heads: int = 4,
        dropout: float = 0.1,
        grid_size: int = 4,
        canvas_hw: tuple[float, float] = (480.0, 640.0),
        true_height: bool = False,
    ) -> None:
        super().__init__()
        if position not in POSITIONS:
            raise ConfigError(f"position is {position!r}; use one of {', '.join(POSITIONS)}")
        self.num_ranks, self.num_conv, self.position = num_ranks, num_conv, position
        self.grid_size, self.canvas_hw, self.true_height = grid_size, canvas_hw, true_height

        extra = {"maps": 2, "maps_conv": 4}.get(position, 0)
        if position == "maps_conv":
            self.pos_conv = nn.Conv2d(2, 2, 3, padding=1)
        if position == "grid":
            self.pos_embedding = nn.Parameter(torch.rand(grid_size**2, object_dim // 2 * 2))
        for k in range(num_conv):
            channels = in_channels + 1 + extra if k == 0 else conv_dim
            stride = 2 if k == num_conv - 1 else 1
            self.add_module(f"sor_fcn{k + 1}", nn.Conv2d(channels, conv_dim, 3, stride, 1))
        self.sor_fc1 = nn.Linear(conv_dim * ((resolution + 1) // 2) ** 2, dense_dim)
        self.sor_fc2 = nn.Linear(dense_dim, object_dim)
        width = object_dim + (4 if position == "box" else 0)
        self.transformer_encoder = (
            _encoder(width, num_heads, attention_layers, dropout) if attention_layers else None
        )
        self.sor = nn.Linear(width, num_ranks)
        self._initialise()

    @classmethod
    def from_config(cls, cfg: CfgNode, in_channels: int) -> dict[str, Any]:
        """Arguments of the constructor from ``cfg.MODEL.SOR``."""
        sor = cfg.MODEL.SOR
        if sor.NAME not in PUBLISHED_HEADS:
            raise ConfigError(
                f"MODEL.SOR.NAME is {sor.NAME!r}; use one of {', '.join(PUBLISHED_HEADS)}"
            )
        position, attends = PUBLISHED_HEADS[sor.NAME]
        if position.startswith("maps") and not sor.TRANSFORMER.USE_POS:
            raise ConfigError(
                f"MODEL.SOR.NAME {sor.NAME!r} needs the coordinate maps: "
                "set MODEL.SOR.TRANSFORMER.USE_POS True"
            )
        width = sor.OBJ_DIM + (4 if position == "box" else 0)
        if attends and width != sor.TRANSFORMER.D_MODEL:
            raise ConfigError(
                f"MODEL.SOR.TRANSFORMER.D_MODEL is {sor.TRANSFORMER.D_MODEL}, but the objects of "
                f"{sor.NAME} have {width} features: make them equal"
            )
        return {
            "in_channels": in_channels,
            "resolution": cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION,
            "num_ranks": sor.NUM_RANKS,
            "position": position,
            "attention_layers": sor.TRANSFORMER.LAYERS if attends else 0,
            "conv_dim": sor.CONV_DIM,
            "num_conv": sor.NUM_CONV,
            "dense_dim": sor.DENSE_DIM,
            "object_dim": sor.OBJ_DIM,
            "num_heads": sor.TRANSFORMER.N_HEAD,
            "dropout": sor.TRANSFORMER.DROPOUT,
            "grid_size": sor.QUANT_NUM,
            "canvas_hw": (sor.TRANSFORMER.IMG_HEIGHT, sor.TRANSFORMER.IMG_WIDTH),
            "true_height": sor.XYWH_TRUE_HEIGHT,
        }

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            in_attention = name.endswith("out_proj")
            if isinstance(module, (nn.Conv2d, nn.Linear)) and not in_attention:
                kaiming_init(module)
        normal_init(self.sor, std=0.01)

    def forward(
        self,
        features: Tensor,
        mask_probs: Tensor,
        pos: Tensor | None,
        boxes: Tensor,
        counts: Sequence[int],
    ) -> Tensor:
        """Logits of every object of a batch.

        Args:
            features: (R, C, S, S) pooled features of all pictures' objects.
            mask_probs: (R, 1, 2S, 2S) in [0, 1].
            pos: (R, 2, S, S) pooled y, x; None where the position needs no maps.
            boxes: (R, 4) XYXY in pixels of the network input.
            counts: objects of each picture; they sum to R. Objects attend within their picture.

        Returns:
            (R, num_ranks) raw logits.
        """
        if len(features) == 0:
            return self._no_objects(features)
        x = torch.cat([features, F.max_pool2d(mask_probs, 2), *self._position_maps(pos)], dim=1)
        for k in range(self.num_conv):
            x = F.relu(getattr(self, f"sor_fcn{k + 1}")(x))
        x = F.relu(self.sor_fc1(x.flatten(1)))
        objects = self._add_box_position(F.relu(self.sor_fc2(x)), boxes)  # (R, D)
        if self.transformer_encoder is not None:
            objects = self._attend(objects, counts)
        return self.sor(objects)

    def _no_objects(self, features: Tensor) -> Tensor:
        """(0, num_ranks), tied to every parameter: all processes must have the same gradients."""
        tie = sum((p.sum() for p in self.parameters()), features.new_zeros(())) * 0.0
        return features.new_zeros(0, self.num_ranks) + tie

    def _position_maps(self, pos: Tensor | None) -> list[Tensor]:
        if not self.position.startswith("maps"):
            return []
        if pos is None:
            raise ConfigError("this ranking head needs pooled coordinate maps (USE_POS True)")
        return [pos, F.relu(self.pos_conv(pos))] if self.position == "maps_conv" else [pos]

    def _add_box_position(self, objects: Tensor, boxes: Tensor) -> Tensor:
        height, width = self.canvas_hw
        x1, y1, x2, y2 = boxes.to(objects.dtype).unbind(1)
        if self.position == "box":
            # Reference quirk: the published fourth number is a sum, not the height.
            last = y2 - y1 if self.true_height else y2 + y1
            numbers = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width]
            return torch.cat([objects, torch.stack([*numbers, last / height], dim=1)], dim=1)
        if self.position == "grid":
            cells, top = self.grid_size, self.grid_size - 1
            column = ((x1 + x2) / 2 / (width / cells)).long().clamp(0, top)
            row = ((y1 + y2) / 2 / (height / cells)).long().clamp(0, top)
            return objects + self.pos_embedding[column * cells + row]
        return objects

    def _attend(self, objects: Tensor, counts: Sequence[int]) -> Tensor:
        """Self-attention among the objects of each picture: (R, D) -> (R, D)."""
        assert self.transformer_encoder is not None
        sequences = [part for part in objects.split(list(counts)) if len(part)]
        if len(sequences) == 1:
            return self.transformer_encoder(sequences[0][None])[0]
        tokens = pad_sequence(sequences, batch_first=True)  # (N, L, D)
        lengths = torch.tensor([len(s) for s in sequences], device=objects.device)
        padding = torch.arange(tokens.shape[1], device=objects.device) >= lengths[:, None]
        attended = self.transformer_encoder(tokens, src_key_padding_mask=padding)
        return attended[~padding]


@torch.no_grad()
def assign_ranks(logits: Tensor, threshold: float = 0.1) -> Tensor:
    """Ranks of the objects of one picture: each rank to at most one object, the best rank first.

    The softmax runs over the *objects*: which of them is the most likely holder of a rank? An
    object is taken for the highest rank whose probability exceeds the threshold; ranks that
    nobody claims stay free. Position-Preserved Attention (Fang et al., ICCV 2021), section 3.5.

    Args:
        logits: (R, K) raw; column K-1 stands for rank 1.
        threshold: probability that must be exceeded.

    Returns:
        (R,) int64: 1 = most salient ... K, 0 = not ranked.
    """
    ranks = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    if len(logits) == 0:
        return ranks
    probability = logits.float().softmax(dim=0)
    num_ranks = logits.shape[1]
    for rank in range(1, num_ranks + 1):
        column = probability[:, num_ranks - rank].masked_fill(ranks > 0, -1.0)
        best = int(column.argmax())
        if float(column[best]) > threshold:
            ranks[best] = rank
    return ranks


def _encoder(width: int, heads: int, layers: int, dropout: float) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
