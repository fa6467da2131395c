"""With Python's own unittest, or pytest: `python3 -m unittest test_buckets`."""

import unittest

import boto3

from mikan_node import MikanNode


class BucketsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = MikanNode()
        cls.node.__enter__()
        cls.addClassCleanup(cls.node.__exit__)

    def test_a_bucket_keeps_what_it_is_given(self):
        s3 = boto3.client("s3", **self.node.client_config())
        s3.create_bucket(Bucket="receipts")
        s3.put_object(Bucket="receipts", Key="a1.txt", Body=b"2 x tea")
        self.assertEqual(s3.get_object(Bucket="receipts", Key="a1.txt")["Body"].read(), b"2 x tea")

    def test_accounts_are_apart(self):
        accounts = [
            boto3.client("sts", **self.node.client_config(account)).get_caller_identity()["Account"]
            for account in ("111111111111", "222222222222")
        ]
        self.assertEqual(accounts, ["111111111111", "222222222222"])


if __name__ == "__main__":
    unittest.main()
