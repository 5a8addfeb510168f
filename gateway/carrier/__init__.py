"""Binds held to carriers: connecting, windows, pacing and health. Knows nothing of messages beyond their segments."""
