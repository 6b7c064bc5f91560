"""What operators order, by command or over HTTP, and what comes of it."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from detection_api.canary.serving import CanarySettings
from detection_api.canary.state import DEFAULT, EventKind, RolloutState, StaleEpochError, Store
from detection_api.errors import ConflictError
from detection_api.rollout import changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator wants done to an endpoint, or to the default.

    `expected_epoch` is that of the state which the operator has seen; None for whatever it is.
    One that `lowers` changes only what is above.
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
    """An endpoint's own state after an order; `changed` is false where it was so already.

    `cautions` say why its percent does not apply all the same.
    """

    state: RolloutState
    changed: bool
    cautions: tuple[str, ...]


def carry_out(
    store: Store, order: Order, endpoints: Collection[str], overrides: CanarySettings
) -> OrderResult:
    """Carry out an order in an application of these `endpoints`, with its event.

    Raises StaleEpochError where the endpoint was changed since the operator looked, or is changed
    at this moment, and ConflictError where it is held and would be raised; nothing was done then.
    """
    states = dict(store.read().states)
    old = changes.own(states, order.endpoint)
    if order.expected_epoch not in (None, old.epoch):
        raise StaleEpochError(order.endpoint)
    if order.kind is EventKind.SET and changes.is_raised_though_held(states, order.change(old)):
        raise ConflictError(f"{order.endpoint} is held: nobody raises it until it is resumed")
    is_set_anyway = order.kind is EventKind.SET and not order.lowers
    changed = is_set_anyway or order.change(old) != old
    state = old
    if changed:
        state = states[order.endpoint] = changes.write(
            store, old, order.change, order.kind, by=order.by, reason=order.reason
        )
    is_rolled_back = order.kind is EventKind.ROLLBACK
    are_all_lowered = order.lowers and order.endpoint == DEFAULT  # and told of one by one
    cautions = changes.cautions(states, order.endpoint, endpoints, overrides)
    is_heeded = is_rolled_back or are_all_lowered
    return OrderResult(state=state, changed=changed, cautions=() if is_heeded else tuple(cautions))


def lower_all(
    store: Store, order: Order, endpoints: Collection[str], overrides: CanarySettings
) -> OrderResult:
    """Carry out an order that lowers the default, and lower what has a percent of its own as well.

    Raises StaleEpochError; what was lowered before that stays so.
    """
    default = carry_out(store, order, endpoints, overrides)
    each = [
        carry_out(store, replace(order, endpoint=one, expected_epoch=None), endpoints, overrides)
        for one in endpoints
    ]
    return OrderResult(
        state=default.state,
        changed=any(outcome.changed for outcome in (default, *each)),
        cautions=tuple(dict.fromkeys(said for outcome in each for said in outcome.cautions)),
    )
