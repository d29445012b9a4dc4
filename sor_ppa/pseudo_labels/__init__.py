"""Labels made by a network in place of people: for one picture, or for whole data sets.

Zhou et al., *Texture-guided Saliency Distilling for Unsupervised Salient Object Detection*, CVPR
2023. :mod:`~sor_ppa.pseudo_labels.label` makes a label of one prediction,
:mod:`~sor_ppa.pseudo_labels.labelling` labels data sets.
"""
