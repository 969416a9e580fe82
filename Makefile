# The list of commands; what each does is in scripts/, one script a step. `make` alone prints this list.
RUN := scripts/run-steps.sh

.DEFAULT_GOAL := help
.PHONY: help build demo check test fuzz soak replay mutants trace bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

build: ## build the page and target/release/confmesh, which carries it
	@$(RUN) build-wasm build-web build-cli

demo: build ## build, then show a mesh in the browser (DEMO_OPEN=0: do not open one)
	@exec scripts/demo.sh

check: ## the fast loop: format, lints and unit tests of core
	@$(RUN) install-rust check-fmt check-clippy test-unit

test: ## everything: lints, Rust, WebAssembly, Python, Node, the page in a browser
	@$(RUN) install-rust install-python install-node install-wasm install-chromium install-brokers install-prometheus \
	  check-fmt "check-clippy --workspace" test-rust build-wasm test-wasm build-python test-python \
	  build-node test-node build-web build-cli test-browser test-simulator

fuzz: ## look for inputs that break a promise (TARGET=one target, SECONDS=each; default all, 60)
	@exec scripts/fuzz.sh "$(TARGET)" "$(SECONDS)"

soak: ## simulate many meshes, begin 50 real ones, crowd processes for ten minutes: RUNS=1000000, SEED=n
	@scripts/soak.sh "$(RUNS)" "$(SEED)"

replay: ## tell what happens in one simulated mesh: SEED=n, ARGS="--steps n"
	@scripts/replay.sh "$(SEED)" $(ARGS)

mutants: ## break the implementation in known ways; the simulator has to find each
	@scripts/mutants.sh $(NAMES)

trace: ## replay an editing trace through the sequences: FILE=x.json.gz
	@scripts/trace.sh "$(FILE)"

bench: ## run the benchmarks of Rust, Python and Node, each beside its peers
	@$(RUN) bench bench-replicated bench-python bench-node

clean: ## remove everything that was built here
	@scripts/clean.sh
