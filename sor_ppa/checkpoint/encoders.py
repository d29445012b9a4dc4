"""Encoders must not stay random unnoticed.

What A2S, CoRNet, MIDNet and MSI-Net learn rests on a pre-trained encoder: users of published code
whose loading skipped in silence what did not fit have trained from random weights without a sign of
it. Here a file that holds an encoder alone fits completely or is refused, in training as well; and
a run that starts without a pre-trained encoder says so.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from sor_ppa.checkpoint.fit import Fit, group_names
from sor_ppa.errors import CheckpointError

logger = logging.getLogger(__name__)

#: Before the names of the encoders of these networks: of pictures, of a second modality.
ENCODERS = ("encoder.", "t_net.")
_MEAN = "pixel_mean"
_SHOWN = 20


def check_encoders(result: Fit, path: str, *, title: str) -> None:
    """Refuses an encoder's file unless it and the model's encoders are the same tensors.

    Args:
        result: a file against a model; files that are more than an encoder are not looked at.
        path: the file, for messages.
        title: what kind of file it is.

    Raises:
        CheckpointError: tensors are missing, have another shape, or are too many; all are named.
    """
    if not is_encoder_alone(result):
        return
    wrong = [f"{m.name}: {m.file_shape} in the file, {m.model_shape} here" for m in result.misfits]
    wrong += [f"{name}: not in the file" for name in _missing(result)]
    wrong += [f"{name}: in the file only" for name in result.unexpected]
    if not wrong:
        return
    names = [line.partition(":")[0] for line in wrong[_SHOWN:]]
    rest = [f"  and {len(names)} more: {group_names(names)}"] if names else []
    raise CheckpointError(
        "\n".join(
            [
                f"{path} ({title}) is not the encoder of this network: {len(wrong)} tensors do not "
                "agree, and a partly random encoder learns nothing of use. Take the file that "
                "MODEL.BACKBONE.NAME is for, whole.",
                *(f"  {line}" for line in wrong[:_SHOWN]),
                *rest,
            ]
        )
    )


def is_encoder_alone(result: Fit) -> bool:
    """Whether all that a file holds went into encoders."""
    names = [*result.kept, *result.unexpected, *(m.name for m in result.misfits)]
    names = [name for name in names if name != _MEAN]  # what an encoder's pictures are to be less
    return bool(names) and all(name.startswith(ENCODERS) for name in names)


def warn_of_random_encoders(names: Collection[str], result: Fit | None) -> bool:
    """Logs one warning if a training is about to start with random numbers in an encoder.

    Args:
        names: of the model's tensors; those of networks without such an encoder are not looked at.
        result: what was loaded; None = nothing.

    Returns:
        Whether there was something to warn of.
    """
    ours = [name for name in names if _counts(name)]
    kept = result.kept if result else {}
    random = [name for name in ours if name not in kept]
    if not random:
        return False
    logger.warning(
        "THE ENCODER STARTS FROM RANDOM NUMBERS: %d of its %d tensors come from no file (%s). "
        "Networks like this rest on a pre-trained encoder: set MODEL.WEIGHTS to an ImageNet file "
        "of MODEL.BACKBONE.NAME (without labels: MoCo-v2's), unless you mean it.",
        *(len(random), len(ours), group_names(random)),
    )
    return True


def _missing(result: Fit) -> list[str]:
    return [name for name in result.missing if _counts(name)]


def _counts(name: str) -> bool:
    """Whether a tensor belongs to an encoder and matters; old files lack the batch counters."""
    return name.startswith(ENCODERS) and not name.endswith("num_batches_tracked")
