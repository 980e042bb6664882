"""Sources of appointments, one file for each."""
