"""The switchboard command and the embedded stack."""
