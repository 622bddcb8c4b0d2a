"""What vendors write against: drivers, devices, boards, roles and settings."""
