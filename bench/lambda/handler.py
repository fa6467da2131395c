"""The function of the bench in Python."""
import json


def handler(event, context):
    quote = {"path": event.get("path") or event.get("rawPath"), "price": 12.5, "currency": "JPY"}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(quote)}
