"""Who may: users, sessions and API keys."""
