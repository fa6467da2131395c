"""Sends to a queue until its standard input ends; prints each message that was acknowledged: its id, and its body."""

import sys
import threading
import time

import boto3
import botocore.exceptions

client = boto3.client("sqs")
url = sys.argv[1]
ending = threading.Event()


def wait_for_end():
    sys.stdin.read()
    ending.set()


threading.Thread(target=wait_for_end, daemon=True).start()
number = 0
while not ending.is_set():
    number += 1
    body = f"boto-{number}"
    try:
        answer = client.send_message(QueueUrl=url, MessageBody=body)
    except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError):
        # The node is dead; whether it took the message is not known.
        continue
    print(answer["MessageId"], body, flush=True)
    time.sleep(0.01)
