"""Recipes: one file an image."""
