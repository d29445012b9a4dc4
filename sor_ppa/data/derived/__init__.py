"""Ranks that are derived from maps, gaze points, or size and place, where no person gave any."""
