"""Browsers other than Chromium, as Debian has them, driven by W3C's protocols; docs/testing.md says how far."""
