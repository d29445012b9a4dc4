"""Metrics of dense saliency maps, by idea; :mod:`sor_ppa.evaluation.dense` is their public face."""
