"""Channels in: signed webhooks, the messenger and adapters become patient messages."""
