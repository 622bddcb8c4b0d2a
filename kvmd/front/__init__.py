"""The front: an asyncio loop that reads requests, speaks TLS, and has an app answer them in a pool of threads."""
