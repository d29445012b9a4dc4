"""Sets of pictures with fixations, and their way into a fixation network."""
