"""Inboxes, notifications and the live stream of each practice."""
