"""Bake Amazon Machine Images for self-managed ML clusters, in plain Python."""
