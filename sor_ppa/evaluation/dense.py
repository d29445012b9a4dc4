"""Metrics of dense saliency maps: pure functions on arrays, under the names of published protocols.

    from sor_ppa.evaluation.dense import score
    score(prediction, mask)["sm"]                        # uint8 (H, W) each
    score(prediction, mask, "inspyrenet", ["mba"])       # another protocol, one metric

Over a data set: add the scores of each image to a :class:`MetricSums`, then :func:`summarize`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sor_ppa.evaluation.sod.protocols import PROTOCOLS, DenseProtocol, get_dense_protocol
from sor_ppa.evaluation.sod.scoring import Scores, choose_metrics, score_subject
from sor_ppa.evaluation.sod.subject import Array, Subject
from sor_ppa.evaluation.sod.summary import image_scalars, summarize
from sor_ppa.evaluation.sod.sums import MetricSums

__all__ = [
    "PROTOCOLS",
    "DenseProtocol",
    "MetricSums",
    "Scores",
    "Subject",
    "choose_metrics",
    "get_dense_protocol",
    "image_scalars",
    "score",
    "score_subject",
    "summarize",
]


def score(
    prediction: Array,
    mask: Array,
    protocol: str | DenseProtocol = "pysod",
    metrics: Sequence[str] | None = None,
    *,
    normalize: bool = True,
) -> Scores:
    """Scores one saliency map against its mask.

    Args:
        prediction: uint8 (H, W), of the mask's size; without ``normalize`` floating point (H, W)
            in [0, 1].
        mask: uint8 (H, W); without ``normalize`` bool (H, W).
        protocol: "pysod" (PySODMetrics, what papers report), "inspyrenet", "a2s", or your own.
        metrics: families ("fm"), keys ("fm_curve") or columns of tables ("maxFm"), or "all"; None:
            all of the protocol but slow extras.
        normalize: threshold the mask and stretch the prediction to [0, 1] as the protocol does.

    Returns:
        By key: numbers ("sm", "mae", "wfm", "fm_adp", "mba", ...) and curves over 256 thresholds
        from the strictest ("fm_curve", "em_curve", "precision", "recall", "biou_curve", ...);
        undefined numbers (mBA of a mask without outline) are NaN.

    Raises:
        ConfigError: unknown protocol or metric.
        ValueError: the arrays are not as above, or of different shapes.
        TypeError: without ``normalize``: the mask is not bool.
    """
    rule = get_dense_protocol(protocol)
    subject = Subject(prediction, mask, normalize=normalize)
    return score_subject(subject, rule, choose_metrics(rule, metrics))
