"""Plug-ins: their hooks, the registry that loads them, and what they run and offer."""
