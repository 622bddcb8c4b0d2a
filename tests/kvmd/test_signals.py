"""Signals that end the daemon, whenever and to whichever thread they come."""

import subprocess
import sys

from tests.kvmd.cli.test_main import free_ports
from tests.waiting import patience

DEMO = """
import signal, sys, threading, time
from kvmd import daemon
from kvmd.cli.main import main

serve, waits = daemon._serve, threading.Event()

def announce(*arguments):
    waits.set()
    serve(*arguments)

def end():
    waits.wait()
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

daemon._serve = announce
threading.Thread(target=end, daemon=True).start()
sys.argv = ["kvmd", "demo", "--port", sys.argv[1], "--video-port", sys.argv[2], "--tls-port", sys.argv[3]]
main()
"""


def test_signal_that_does_not_interrupt_the_wait_ends_the_daemon() -> None:
    """As one that comes just before the wait; here it comes to another thread, which does the same each time."""
    command = [sys.executable, "-c", DEMO, *map(str, free_ports(3))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=False)
    assert ran.returncode == 0, ran.stderr
