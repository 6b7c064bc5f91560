"""Prices of a shop: the implementation in use, and the one that replaces it."""

from marshmallow import Schema, fields
from werkzeug.exceptions import NotFound

CENTS = {"tea": 435, "mug": 1200, "voucher": 2500}
EUROS = {"tea": 4.35, "mug": 12.00, "voucher": None}


class Price(Schema):
    """The answer that both implementations promise."""

    product = fields.String(required=True)
    cents = fields.Integer(required=True)


def legacy(product: str) -> dict[str, object]:
    """Return the price of a product; this implementation has always been there."""
    if product not in CENTS:
        raise NotFound(f"there is no {product}")
    return {"product": product, "cents": CENTS[product]}


def domain(product: str) -> dict[str, object]:
    """Return the price of a product; two bugs: tea is a cent too cheap, a voucher raises."""
    if product not in EUROS:
        raise NotFound(f"there is no {product}")
    return {"product": product, "cents": int(EUROS[product] * 100)}
