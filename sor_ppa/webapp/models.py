"""The networks that the page offers: found by name, loaded when first asked for, the last kept."""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.cli.options import SALIENCY_CONFIG
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import CheckpointError, ConfigError, SaliencyError
from sor_ppa.model_zoo.files import PREFIX

logger = logging.getLogger(__name__)

#: What a network gives, by the mapper that its config names.
KINDS = {"ranking": "rank", "dense": "saliency", "fixation": "fixation"}
_ONNX_KINDS = ("saliency", "fixation")


@dataclass(frozen=True)
class Model:
    """A network by name.

    Attributes:
        name: what the page calls it: the config's name in the zoo, or its file's without folder.
        kind: "rank", "saliency" or "fixation".
        cfg: frozen, with ``MODEL.WEIGHTS``.
    """

    name: str
    kind: str
    cfg: CfgNode

    @property
    def weights(self) -> str:
        """The weights by a name that tells nothing of the server's folders."""
        weights = self.cfg.MODEL.WEIGHTS
        return weights if weights.startswith(PREFIX) else weights.replace("\\", "/").split("/")[-1]


def model_of(
    config_file: str,
    weights: str = "",
    *,
    device: str | None = None,
    max_pixels: int | None = None,
) -> Model:
    """The model of one config.

    Args:
        config_file: a path, or a name of the model zoo.
        weights: its weights; "" = those that come with the config, or that it names.
        device: overrides ``MODEL.DEVICE``.
        max_pixels: overrides ``INPUT.MAX_PIXELS``.

    Raises:
        ConfigError: no such config, it describes a network that the page cannot use, or the
            weights that it names are to be fetched: those are what training begins with.
    """
    opts = ["MODEL.WEIGHTS", weights] if weights else []
    cfg = inference_config(config_file, opts, device=device, max_pixels=max_pixels)
    kind = KINDS.get(cfg.INPUT.DATASET_MAPPER_NAME)
    if kind is None or (kind == "saliency" and cfg.INPUT.DENSE.TEST_MODALITIES):
        raise ConfigError(
            f"{config_file}: the page shows networks that see one picture and give ranks, a "
            "saliency map or a fixation map; this one does not (INPUT.DATASET_MAPPER_NAME, "
            "INPUT.DENSE.TEST_MODALITIES)"
        )
    named = cfg.MODEL.WEIGHTS
    if not weights and "://" in named and not named.startswith(PREFIX):
        raise ConfigError(
            f"{config_file}: its MODEL.WEIGHTS ({named}) are those that training begins with; "
            "name trained ones with --weights"
        )
    known = config_file in model_zoo.available()
    return Model(config_file if known else Path(config_file).name, kind, cfg)


def bundled_models(*, device: str | None = None, max_pixels: int | None = None) -> list[Model]:
    """All models of the zoo whose weights come with the package; ranking in front, and of each
    kind the one that the command line takes by default.

    Models that see more than one picture are left out.
    """
    names = filter(model_zoo.has_weights, model_zoo.available())
    found = []
    for name in names:
        try:
            found.append(model_of(name, device=device, max_pixels=max_pixels))
        except ConfigError as error:
            logger.info("not on the page: %s", error)
    order = list(KINDS.values())
    return sorted(found, key=lambda m: (order.index(m.kind), m.name != SALIENCY_CONFIG))


class Shelf:
    """The models of the page, at most ``keep`` of them loaded.

    One that cannot be loaded fails by itself: whoever asks for it gets the reason, and asking for
    another works.

    Args:
        models: of different names; the first of a kind is the kind's default.
        keep: networks in memory at most; the one not asked for the longest goes first.
        backend: "torch", or "onnx" for the networks that can be exported.
        allow_pickle: also load weight files that are pickles.
        build: makes a predictor of a config; for tests.

    Raises:
        ConfigError: two models of one name, or ``keep`` below 1.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        keep: int = 3,
        backend: str = "torch",
        allow_pickle: bool = False,
        build: Callable[..., Predictor] = Predictor,
    ) -> None:
        self._models = {model.name: model for model in models}
        if len(self._models) < len(models):
            names = ", ".join(model.name for model in models)
            raise ConfigError(f"two models of one name among {names}: name each config once")
        if keep < 1:
            raise ConfigError(f"at least 1 model must be kept, got {keep}")
        self.keep = keep
        self.backend = backend
        self._build = functools.partial(build, allow_pickle=allow_pickle)
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # one at a time, or more than `keep` would be there

    def names(self, kind: str) -> list[str]:
        """The models of a kind, the default one in front."""
        return [model.name for model in self._models.values() if model.kind == kind]

    def model(self, kind: str, name: str = "") -> Model:
        """A model by name; "" = the kind's default.

        Raises:
            ConfigError: there is no such model of this kind; says which there are.
        """
        known = self.names(kind)
        if not known:
            raise ConfigError(
                f"no weights of a {kind} model are there: start the page with --config-file and "
                "--weights to add one"
            )
        name = name or known[0]
        if name not in known:
            raise ConfigError(f"no {kind} model {name!r}; there are {', '.join(known)}")
        return self._models[name]

    def predictor(self, model: Model) -> Predictor:
        """The loaded network. While one is being loaded, only those that are there answer.

        Raises:
            CheckpointError: it cannot be loaded; the next call tries again.
        """
        if (there := self._at_hand(model.name)) is not None:
            return there
        with self._loading:
            if (there := self._at_hand(model.name)) is not None:  # by whoever was in here before
                return there
            with self._lock:
                # Before, not after: two large networks may not fit beside each other.
                while len(self._loaded) >= self.keep:
                    self._loaded.popitem(last=False)
            predictor = self._load(model)
            with self._lock:
                self._loaded[model.name] = predictor
            return predictor

    def loaded(self) -> list[str]:
        """The models in memory, the one used last at the end."""
        with self._lock:
            return list(self._loaded)

    def _at_hand(self, name: str) -> Predictor | None:
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)

    def _load(self, model: Model) -> Predictor:
        backend = self.backend if model.kind in _ONNX_KINDS else "torch"
        try:
            return self._build(model.cfg, backend=backend)
        except (SaliencyError, OSError) as error:
            raise CheckpointError(f"the model {model.name} cannot be loaded: {error}") from error
