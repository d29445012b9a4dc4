"""Saliency without human labels, both stages in one go (see tools/train_unsupervised.py).

A first network finds what is salient, labels its own training pictures
(:mod:`sor_ppa.pseudo_labels`), and a second one learns from these labels. Zhou et al.,
*Texture-guided Saliency Distilling for Unsupervised Salient Object Detection*, CVPR 2023.
"""
