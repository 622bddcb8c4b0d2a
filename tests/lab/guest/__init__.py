"""What runs inside the guest: the script that systemd starts and the pytest plugin that reports to the host."""
