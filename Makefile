# Everything a person does here. `make check` is what CI runs.
.PHONY: run demo test soak check bench loadtest fmt

run:            ## the service, on http://127.0.0.1:8000
	cargo run --release -- run

demo:           ## everything on simulated venues, without a network
	cargo run --release -- demo

test:           ## every test; the tidy test is one of them
	scripts/servers.sh
	cargo test --workspace --locked --no-fail-fast

soak:           ## the same tests at the counts that are promised: ten minutes of kills and more; an hour or so, on a machine with nothing else to do
	scripts/servers.sh
	RATES_SOAK=1 cargo test --workspace --locked --no-fail-fast

check:          ## what CI runs
	.ci/run

bench:          ## how fast and how small: about twelve minutes after the build; see docs/performance.md
	cargo build --release --locked -p rates -p bench
	cargo bench --locked -p venue --bench decode --no-run
	$${CARGO_TARGET_DIR:-target}/release/bench

loadtest:       ## the original's load test: 100 users of locust against one process, on two cores
	cargo build --release --locked -p rates
	python3 loadtest/run.py

fmt:            ## format every file
	cargo fmt --all
