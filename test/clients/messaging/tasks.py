"""Tasks of Celery, whose broker is the node's SQS."""

import os

from celery import Celery

app = Celery("tasks", broker=os.environ["BROKER_URL"])
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": 2,
        "polling_interval": 0.1,
        "visibility_timeout": 3,
    },
    task_default_queue="celery-tasks",
    task_acks_late=True,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


@app.task(bind=True, max_retries=3)
def note(self, file, line):
    """Fails once for each line that says so, and is done on the second try."""
    if line.startswith("flaky") and self.request.retries == 0:
        raise self.retry(countdown=0)
    with open(file, "a", encoding="utf8") as notes:
        notes.write(f"{line}\n")
