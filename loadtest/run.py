"""Starts one process of the product, lets 100 users of locust ask it, prints the table, and fails below the promise.

It needs nothing but Python and the built program: locust goes into a virtual environment under target/.
"""

import collections
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
import venv

USERS = 100
SECONDS = int(os.environ.get("LOADTEST_SECONDS", "30"))
REQUESTS_PER_SECOND_MIN = 1500
CORES = 2  # the server and the tool share them

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))


def tool():
    """The locust of the virtual environment, made where it is missing."""
    place = TARGET / "loadtest"
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    wanted = HERE / "requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
    return place / "bin" / "locust"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(url, server):
    for _ in range(300):
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server did not get ready within 30 s")


def main():
    locust = tool()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:CORES]
        os.sched_setaffinity(0, cores)  # children inherit it
    url = f"http://127.0.0.1:{free_port()}"
    # The demo is the whole product in one process; its venues, which it simulates too, only make it slower.
    server = subprocess.Popen([TARGET / "release" / "rates", "demo", "--listen", url.removeprefix("http://")], stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(url, server)
        load_before = os.getloadavg()[0]
        ended = subprocess.run(
            [locust, "-f", HERE / "locustfile.py", "--headless", "--json", "--loglevel", "WARNING",
             "-u", str(USERS), "-r", str(USERS), "-t", f"{SECONDS}s", "-H", url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
        )
    finally:
        server.terminate()
        server.wait()
    try:
        rows = json.loads(ended.stdout)
    except ValueError:
        sys.exit(f"locust ended with {ended.returncode}: {ended.stderr}")
    print(f"{USERS} users, {SECONDS} s, {CORES} cores for server and tool; load average before: {load_before:.1f}\n")
    print("| request | requests | failures | req/s | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|")
    whole = collections.Counter()
    for row in sorted(rows, key=lambda row: row["name"]):
        times = collections.Counter({float(ms): count for ms, count in row["response_times"].items()})
        whole.update(times)
        show(row["name"], row["num_requests"], row["num_failures"], times)
    requests, failures = sum(row["num_requests"] for row in rows), sum(row["num_failures"] for row in rows)
    show("all", requests, failures, whole)
    if failures or requests / SECONDS < REQUESTS_PER_SECOND_MIN:
        sys.exit(f"the promise is {REQUESTS_PER_SECOND_MIN} req/s without a failure")


def show(name, requests, failures, times):
    """One row; the times are rounded by locust, below 100 ms to whole ones."""
    print(f"| {name} | {requests} | {failures} | {requests / SECONDS:.0f} "
          f"| {percentile(times, 0.50):.0f} | {percentile(times, 0.99):.0f} |")


def percentile(times, part):
    """The time that this part of the requests did not exceed."""
    left = sum(times.values()) * part
    for time_ms in sorted(times):
        left -= times[time_ms]
        if left <= 0:
            return time_ms
    return float("nan")


main()
