"""One file a system: picture in, answer out."""

from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet
from sor_ppa.modeling.meta_arch.ranker import SaliencyRanker

__all__ = ["InSPyReNet", "SaliencyRanker"]
