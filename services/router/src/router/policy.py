"""Who may call each endpoint of the router; see `shared_web.policy`."""

from shared_web import Callers, Policy
from shared_web.policy import HEALTH

POLICY: Policy = {
    **HEALTH,
    "GET /v1/practices/{practice_id}/routing-settings": Callers.ADMINISTRATOR,
    "PUT /v1/practices/{practice_id}/routing-settings": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/routing-settings/versions": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/routing-settings/versions/{version}": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/routing-settings/versions/{version}/changes": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/routing-settings/versions/{version}/revert": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/coverage": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/decisions/{message_id}": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/unrouted": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/simulate": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/what-if": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/members/{staff_id}/subscriptions": Callers.MEMBER,
    "PUT /v1/practices/{practice_id}/members/{staff_id}/subscriptions": Callers.MEMBER,
}
