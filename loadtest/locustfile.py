"""The load test of the original system, repeated: users who ask for courses without a pause.

`make loadtest` runs it against a server of its own; against another one:
    locust -f loadtest/locustfile.py --headless -u 100 -r 100 -t 30s -H http://127.0.0.1:8000
An answer that is not 200, or in which no value stands, counts as a failure.
"""

import os

from locust import FastHttpUser, constant, task

PAIR = os.environ.get("LOADTEST_PAIR", "BTC-USDT")


class Reader(FastHttpUser):
    """One user: asks, reads, asks again."""

    wait_time = constant(0)
    connection_timeout = 10.0
    network_timeout = 10.0

    def ask(self, path, name):
        with self.client.get(path, name=name, catch_response=True) as answer:
            if answer.status_code == 200 and b'"value":' not in answer.content:
                answer.failure("no value in the answer")

    @task(4)
    def currency_pair(self):
        self.ask(f"/api/v1/currency_pair/?currency_pair={PAIR}", "/api/v1/currency_pair/")

    @task(1)
    def courses(self):
        self.ask("/api/v1/courses", "/api/v1/courses")

    @task(4)
    def rate(self):
        self.ask(f"/api/v1/rates/{PAIR}", "/api/v1/rates/{pair}")
