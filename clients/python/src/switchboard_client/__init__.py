"""Staff apps for Switchboard: the API, a live stream that resumes where it was, and a mirror of one's inboxes."""

from switchboard_client.api import ApiError, NoAnswer, Refused, StaffClient
from switchboard_client.mirror import Mirror
from switchboard_client.stream import EventStream, StreamEvent

__all__ = ["ApiError", "EventStream", "Mirror", "NoAnswer", "Refused", "StaffClient", "StreamEvent"]
