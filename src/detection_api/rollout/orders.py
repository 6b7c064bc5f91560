"""Orders of operators, given by command or over HTTP."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, EventKind, RolloutState, StaleEpochError, Store
from detection_api.errors import ConflictError
from detection_api.rollout import changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's order to change an endpoint, or the default.

    `expected_epoch` is the epoch of the state that the operator has seen; None accepts any. An
    order that `lowers` has no effect on a state that is already at or below its percent.
    """

    endpoint: str
    kind: EventKind
    change: changes.Change
    by: str
    reason: str
    expected_epoch: int | None = None
    lowers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """An endpoint's own state after an order; `changed` is False if the order had no effect.

    `cautions` say why the percent does not apply.
    """

    state: RolloutState
    changed: bool
    cautions: tuple[str, ...]


def carry_out(
    store: Store, order: Order, endpoints: Collection[str], overrides: CanarySettings
) -> OrderResult:
    """Carry out an order in an application with these `endpoints`, and store its event.

    Raises StaleEpochError if somebody else has changed the endpoint meanwhile, and ConflictError if
    the order would raise a held endpoint. In both cases nothing is changed.
    """
    states = dict(store.read().states)
    old = changes.own(states, order.endpoint)
    if order.expected_epoch not in (None, old.epoch):
        raise StaleEpochError(order.endpoint)
    if order.kind is EventKind.SET and changes.is_raised_though_held(states, order.change(old)):
        raise ConflictError(f"{order.endpoint} is held: it cannot be raised until `resume`")
    is_set_anyway = order.kind is EventKind.SET and not order.lowers
    changed = is_set_anyway or order.change(old) != old
    state = old
    if changed:
        state = states[order.endpoint] = changes.write(
            store, old, order.change, order.kind, by=order.by, reason=order.reason
        )
    is_rolled_back = order.kind is EventKind.ROLLBACK
    are_all_lowered = order.lowers and order.endpoint == DEFAULT  # each has its own cautions
    cautions = changes.cautions(states, order.endpoint, endpoints, overrides)
    is_in_effect = is_rolled_back or are_all_lowered
    return OrderResult(
        state=state, changed=changed, cautions=() if is_in_effect else tuple(cautions)
    )


def lower_all(
    store: Store, order: Order, endpoints: Collection[str], overrides: CanarySettings
) -> OrderResult:
    """Carry out an order that lowers the default, and every endpoint with a percent of its own.

    Raises StaleEpochError; endpoints that were lowered before stay lowered.
    """
    default = carry_out(store, order, endpoints, overrides)
    each = [
        carry_out(store, replace(order, endpoint=one, expected_epoch=None), endpoints, overrides)
        for one in endpoints
    ]
    return OrderResult(
        state=default.state,
        changed=any(result.changed for result in (default, *each)),
        cautions=tuple(dict.fromkeys(caution for result in each for caution in result.cautions)),
    )
