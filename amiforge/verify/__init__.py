"""Verification of a host against a recipe, with testinfra over our one connection."""
