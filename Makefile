# Everything a person does here. `make check` is what CI runs.
.PHONY: run demo test check bench fmt

run:            ## the service, on http://127.0.0.1:8000
	cargo run --release -- run

demo:           ## everything on simulated venues, without a network
	cargo run --release -- demo

test:           ## every test; the tidy test is one of them
	scripts/servers.sh
	cargo test --workspace --locked

check:          ## what CI runs
	.ci/run

bench:          ## what a frame costs
	cargo bench -p venue --locked

fmt:            ## format every file
	cargo fmt --all
