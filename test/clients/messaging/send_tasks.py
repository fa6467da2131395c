"""Sends so many tasks: `send_tasks.py FILE COUNT`."""

import sys

from tasks import note

file, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    note.delay(file, f"plain {number}")
note.apply_async((file, "later"), countdown=1)
note.delay(file, "flaky")
