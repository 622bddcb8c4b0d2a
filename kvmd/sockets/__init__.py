"""Sockets: what is said on a WebSocket, by whom, and to whom; docs/socket.md has every message."""
