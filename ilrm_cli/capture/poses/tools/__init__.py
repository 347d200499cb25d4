"""Readers of the camera poses that other tools write, one for each tool."""
