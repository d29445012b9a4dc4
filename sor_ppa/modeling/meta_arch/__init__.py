"""One file a system: picture in, answer out."""

from sor_ppa.modeling.meta_arch.a2s import A2S
from sor_ppa.modeling.meta_arch.cornet import CoRNet
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet
from sor_ppa.modeling.meta_arch.midnet import MIDNet
from sor_ppa.modeling.meta_arch.msinet import MSINet
from sor_ppa.modeling.meta_arch.ranker import SaliencyRanker

__all__ = ["A2S", "CoRNet", "InSPyReNet", "MIDNet", "MSINet", "SaliencyRanker"]
