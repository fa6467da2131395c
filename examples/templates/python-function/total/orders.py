from decimal import Decimal


def subtotal(items):
    return sum((Decimal(item["price"]) * item["count"] for item in items), Decimal(0))
