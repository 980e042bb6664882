"""From the wire's form of routing settings to the rules' form."""

from router.domain.facts import ReasonId, StaffId
from router.domain.policy import Chosen, Member, Policy, Reason, Subscription, ToReason, ToSharedInbox
from shared_schemas.practice_settings import Extension, IdsOrAll, RoutingSettingsPublishedV1

_DEFAULT_LANGUAGE = "en"


def compile_policy(settings: RoutingSettingsPublishedV1) -> Policy:
    """The policy of one version of a practice's settings."""
    return Policy(
        version=settings.version,
        reason_routing=settings.reason_routing,
        location_routing=settings.location_routing,
        provider_routing=settings.provider_routing,
        window=settings.stickiness.window,
        broken_by=frozenset(settings.stickiness.broken_by),
        reasons={
            ReasonId(reason.id): Reason(ReasonId(reason.id), words(reason.label), reason.retired)
            for reason in settings.reasons
        },
        extensions={extension.digits: _target(extension) for extension in settings.extensions},
        shared_inboxes={inbox.id: tuple(map(StaffId, inbox.members)) for inbox in settings.shared_inboxes},
        members={
            StaffId(member.staff_id): Member(
                StaffId(member.staff_id),
                member.active,
                member.unassigned,
                tuple(
                    Subscription(one.id, _chosen(one.reasons), _chosen(one.locations), _chosen(one.providers))
                    for one in member.subscriptions
                ),
            )
            for member in settings.members
        },
        default_subscribers=tuple(map(StaffId, settings.default_subscribers)),
        freshness_limit=settings.freshness_limit,
        label_correction=settings.label_correction,
        sms_reason_menu=settings.sms_reason_menu,
    )


def words(label: dict[str, str]) -> str:
    """The practice's words in English, else in the first language that it has."""
    return label.get(_DEFAULT_LANGUAGE) or next(iter(label.values()), "")


def _chosen(ids: IdsOrAll) -> Chosen:
    return None if ids == "all" else frozenset(ids)


def _target(extension: Extension) -> ToReason | ToSharedInbox:
    if extension.reason_id is not None:
        return ToReason(ReasonId(extension.reason_id))
    return ToSharedInbox(extension.shared_inbox_id or "")
