"""PCI devices that checks and services are for, as the start of `vendor:device`."""

from __future__ import annotations

NVIDIA = "10de"
