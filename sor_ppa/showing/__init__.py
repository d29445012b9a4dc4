"""From what a user names (pictures, folders, videos, a webcam) to files and windows."""
