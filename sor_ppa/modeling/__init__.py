"""Networks. Importing this package registers them with detectron2."""

from sor_ppa.modeling import backbone, meta_arch, proposals, roi_heads  # noqa: F401
