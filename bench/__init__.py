"""Measurements behind what docs/performance.md claims; ``python -m bench`` runs them, each against another program."""
