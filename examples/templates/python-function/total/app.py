"""The total of an order, with tax."""

import os
from decimal import Decimal

from orders import subtotal


def handler(event, context):
    net = subtotal(event["items"])
    print("order of", len(event["items"]), "items")
    return {"net": str(net), "total": str((net * (1 + Decimal(os.environ["TAX_RATE"]))).quantize(Decimal("0.01")))}
