"""Typing and pointing: what clients ask for becomes reports of the HID driver."""
