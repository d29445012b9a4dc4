"""Sets of pictures with saliency masks, and their way into a dense saliency model."""
