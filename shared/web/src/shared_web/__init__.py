"""HTTP for every service: problem details (RFC 9457), who is calling (JWT), and serving on one event loop."""

from shared_web.applications import StoreFailures, bounded_app, service_app
from shared_web.bodies import bounded_body
from shared_web.pace import Pace
from shared_web.policy import Callers, Policy, apply_policy
from shared_web.principals import Principal, TokenVerifier, administrator_of, member_of, staff_of
from shared_web.problems import Problem, install_problem_details
from shared_web.server import serve

__all__ = [
    "Callers",
    "Pace",
    "Policy",
    "Principal",
    "Problem",
    "StoreFailures",
    "TokenVerifier",
    "administrator_of",
    "apply_policy",
    "bounded_app",
    "bounded_body",
    "install_problem_details",
    "member_of",
    "serve",
    "service_app",
    "staff_of",
]
