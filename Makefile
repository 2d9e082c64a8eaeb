# The project's commands. Each does its own set-up; on a set-up machine that takes a moment.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help setup build test demo lint

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Debian packages, libtorch and MuJoCo (once, about 550 MB), .cargo/config.toml
	@deploy/setup.sh

build: setup ## all programs
	$(CARGO) build --workspace

# The whole-system tests start the built programs, so those are built first.
test: setup ## build everything, run every test
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace

demo: build ## the whole loop on the simulated arm: jaco demo (DEMO="..." adds arguments)
	@target=$$($(CARGO) metadata --offline --no-deps --format-version 1 \
		| grep -o '"target_directory":"[^"]*"' | cut -d '"' -f 4); \
	exec "$$target/debug/jaco" demo $(DEMO)

lint: setup ## formatting and clippy, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
