"""The kinds of things a host can be asked to have: one module a kind, all of them named here."""

from __future__ import annotations

__all__: list[str] = []
