"""The bundled plug-ins."""
