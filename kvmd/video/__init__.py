"""Seeing: frames of the capture driver become pictures for every viewer."""
