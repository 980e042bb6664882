"""Who may call each endpoint of pm-sync; see `shared_web.policy`."""

from shared_web import Callers, Policy
from shared_web.policy import HEALTH

POLICY: Policy = {
    **HEALTH,
    "GET /v1/practices/{practice_id}/pm-connections": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/pm-connections": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/pm-connections/{connection_id}": Callers.ADMINISTRATOR,
    "PUT /v1/practices/{practice_id}/pm-connections/{connection_id}": Callers.ADMINISTRATOR,
    "DELETE /v1/practices/{practice_id}/pm-connections/{connection_id}": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/pm-connections/{connection_id}/status": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/pm-connections/{connection_id}/sync-now": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/pm-connections/{connection_id}/csv": Callers.ADMINISTRATOR,
    "GET /v1/practices/{practice_id}/pm-connections/{connection_id}/quarantine": Callers.ADMINISTRATOR,
    "POST /v1/practices/{practice_id}/pm-connections/{connection_id}/quarantine/{item_id}/retry": Callers.ADMINISTRATOR,
    "DELETE /v1/practices/{practice_id}/pm-connections/{connection_id}/quarantine/{item_id}": Callers.ADMINISTRATOR,
}
