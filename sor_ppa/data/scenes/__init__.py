"""Training scenes out of saliency masks: regions as objects, pasted into other pictures."""
