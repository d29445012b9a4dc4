"""Where in the picture there may be a salient object."""

from sor_ppa.modeling.proposals.fcos import FCOS

__all__ = ["FCOS"]
