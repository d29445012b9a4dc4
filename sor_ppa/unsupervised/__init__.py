"""Saliency without human labels: a network labels pictures, another one learns from the labels.

Zhou et al., *Texture-guided Saliency Distilling for Unsupervised Salient Object Detection*, CVPR
2023. The parts: :mod:`~sor_ppa.unsupervised.pseudo_label` makes a label of one prediction,
:mod:`~sor_ppa.unsupervised.labelling` labels whole data sets.
"""
