"""Cameras, frames, Gaussians and views: the types that every room speaks, with their conventions."""
