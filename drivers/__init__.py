"""The bundled drivers; each registers through an entry point, as a driver from outside does."""
