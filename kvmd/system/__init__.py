"""What the machine gives: configuration files, private files, memory, systemd's notifications."""
