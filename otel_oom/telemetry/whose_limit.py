"""Whose limit a memory cgroup hit: of the container, the pod, the unit, or a cgroup above. No I/O.

    /kubepods.slice/…-pod<uid>.slice                                    its pod's 512 MiB limit
    /kubepods.slice/…-pod<uid>.slice/cri-containerd-<id>.scope          its container's 512 MiB limit
    /a, of a victim in /a/b                                             the 512 MiB limit of its ancestor cgroup /a

The victim's cgroup is this cgroup or one below it. So what its path names is named in the victim's path as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_oom.telemetry.reason_facts import MAX_PATH_CHARS, Facts, Rule, shortened, size


def _limited_name(facts: Facts) -> str:
    """Return the last name in the path of the cgroup whose limit was hit."""
    return (facts.context.memcg_path or "").rpartition("/")[2]


def _is_containers_limit(facts: Facts) -> bool:
    container = facts.owner.container_id or facts.owner.container_name
    return bool(container) and (container or "") in _limited_name(facts)


def _is_pods_limit(facts: Facts) -> bool:
    pod = facts.owner.pod_uid
    return bool(pod) and (pod or "") in _limited_name(facts).replace("_", "-")


def _is_units_limit(facts: Facts) -> bool:
    """The sentence names a unit only if there is no container and no pod."""
    owner = facts.owner
    if not owner.unit or owner.container_id or owner.container_name or owner.pod_uid:
        return False
    return _limited_name(facts).replace(r"\x5c", "\\").removeprefix("_") == owner.unit


def _is_ancestors_limit(facts: Facts) -> bool:
    return None not in (facts.context.memcg_path, facts.cgroup) and facts.context.memcg_path != facts.cgroup


def _is_limit_named(facts: Facts) -> bool:
    return facts.context.memcg_path is not None


def _amount(facts: Facts) -> str:
    """Return the limit before the word `limit`."""
    limit = facts.context.memcg_limit
    return "" if limit is None else f"{size(limit)} "


def _limit_of(whose: str) -> Callable[[Facts], str]:
    return lambda facts: f"{whose} {_amount(facts)}limit"


def _limit_of_path(whose: str) -> Callable[[Facts], str]:
    return lambda facts: (
        f"the {_amount(facts)}limit of {whose} {shortened(facts.context.memcg_path or '', MAX_PATH_CHARS)}"
    )


LIMITS: Final = (
    Rule(
        "container's limit",
        "the limit is that of the victim's container",
        _is_containers_limit,
        _limit_of("its container's"),
    ),
    Rule("pod's limit", "it is that of its pod", _is_pods_limit, _limit_of("its pod's")),
    Rule(
        "unit's limit",
        "it is that of its systemd unit, and there is no container or pod",
        _is_units_limit,
        _limit_of("its unit's"),
    ),
    Rule(
        "ancestor's limit",
        "it is that of another cgroup above the victim's",
        _is_ancestors_limit,
        _limit_of_path("its ancestor cgroup"),
    ),
    Rule(
        "own limit",
        "it is that of the victim's own cgroup, or the report names only one cgroup",
        _is_limit_named,
        _limit_of_path("its cgroup"),
    ),
    Rule("unnamed limit", "the report does not name the cgroup", lambda _: True, _limit_of("a memory cgroup's")),
)
"""Of a memory cgroup: exactly one is used, the first one that holds."""


def whose_limit(facts: Facts) -> Rule:
    """Return the rule that holds."""
    return next(rule for rule in LIMITS if rule.holds(facts))
