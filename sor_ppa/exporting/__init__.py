"""What an exported file holds: the passes of networks, and their weights in half precision."""
