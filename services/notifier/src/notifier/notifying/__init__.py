"""Telling those who are not looking: other systems by webhooks."""
