"""Starts one process of the product, lets 100 users of locust ask it, prints the table, and fails below the promise.

It needs nothing but Python and the built program: locust goes into a virtual environment under target/.
"""

import csv
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
        table = TARGET / "loadtest" / "table"
        load_before = os.getloadavg()[0]
        ended = subprocess.run(
            [locust, "-f", HERE / "locustfile.py", "--headless", "--only-summary", "--loglevel", "WARNING",
             "-u", str(USERS), "-r", str(USERS), "-t", f"{SECONDS}s", "-H", url, "--csv", table],
            stdout=subprocess.DEVNULL, check=False,
        )
        rows = list(csv.DictReader(open(f"{table}_stats.csv", encoding="utf-8")))
    finally:
        server.terminate()
        server.wait()
    print(f"{USERS} users, {SECONDS} s, {CORES} cores for server and tool; load average before: {load_before:.1f}\n")
    print("| request | requests | failures | req/s | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row['Name']} | {row['Request Count']} | {row['Failure Count']} "
              f"| {float(row['Requests/s']):.0f} | {row['50%']} | {row['99%']} |")
    whole = rows[-1]
    per_second, failures = float(whole["Requests/s"]), int(whole["Failure Count"])
    if ended.returncode or failures or per_second < REQUESTS_PER_SECOND_MIN:
        sys.exit(f"the promise is {REQUESTS_PER_SECOND_MIN} req/s without a failure")


main()
