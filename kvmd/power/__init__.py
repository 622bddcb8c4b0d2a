"""The target's power: its buttons and lamps."""
