"""What runs inside the kernel lab's guest, started by bench/streamer.py."""
