"""A node for tests in Python: starts the command, waits until it is ready, and ends it."""

import os
import re
import shlex
import subprocess


class MikanNode:
    """`with MikanNode() as node: boto3.client("s3", **node.client_config())`"""

    def __init__(self, command=None):
        self._command = shlex.split(command or os.environ.get("MIKAN_COMMAND", "mikan"))
        self.url = None

    def __enter__(self):
        arguments = [*self._command, "up", "--ephemeral", "--port", "0"]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        # Its first line names the endpoint; there is none when it ended instead.
        ready = re.search(r"http://\S+", self._process.stdout.readline())
        if ready is None:
            raise RuntimeError(f"{shlex.join(arguments)} ended with {self._process.wait()}")
        self.url = ready.group()
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def client_config(self, account="test"):
        """Settings for every client of boto3; an account of 12 digits has things of its own."""
        return {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": account,
            "aws_secret_access_key": "test",
        }
