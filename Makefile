# `make help` lists what there is.
#
# Demo and tests share one profile (dev) and one selection of features, so that neither compiles what the other did:
# cargo unifies features over all selected packages, and over their dev-dependencies only when a target that may use
# those is selected. `cargo test --workspace` selects such targets; a plain `cargo build` does not. So the demo's build
# names all packages (--workspace) and, besides the binaries, the few examples: same features, hardly more to compile.

CARGO ?= cargo
ARGS ?=
BUILD_DIR := $(or $(CARGO_TARGET_DIR),target)
RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo build test check fmt fmt-check lint tidy goldens bench deny need-toolchain

help: ## Lists these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## Starts a fresh network of organisations here and walks through the whole story (ARGS="--once", ARGS="--import DIR").
	$(BUILD_DIR)/debug/horkos demo $(ARGS)

build: need-toolchain ## Builds `horkos`, on the profile of demo and tests.
	$(CARGO) build --workspace --bins --examples

# The runner comes last: its closing line is the verdict. Documentation tests are a runner of their own.
test: need-toolchain ## Runs all tests, documentation tests included (ARGS="-E 'test(revoke)'").
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) test --workspace --doc --quiet && $(CARGO) nextest run --workspace --no-tests=warn $(ARGS); \
	else \
		echo "cargo-nextest is not installed: running plain cargo test, which is slower and kills no hanging test"; \
		set -x; $(CARGO) test --workspace $(ARGS); \
	fi

check: fmt-check lint tidy test ## All that a change must pass: format, lints, tidy, tests.

fmt: need-toolchain ## Formats the code.
	$(CARGO) fmt --all

fmt-check: need-toolchain
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: install it with \`rustup component add rustfmt\`" >&2; exit 1; }
	$(CARGO) fmt --all -- --check

lint: need-toolchain ## Runs clippy; a warning is an error.
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing: install it with \`rustup component add clippy\`" >&2; exit 1; }
	$(CARGO) clippy --workspace --all-targets -- -D warnings

tidy: need-toolchain ## Checks the rules of the house (ARGS=--fix lowers the list of long files).
	$(CARGO) xtask tidy $(ARGS)

goldens: need-toolchain ## Writes all golden files anew; look at the difference before you commit it.
	$(CARGO) xtask goldens

bench: need-toolchain ## Measures, on the release profile (ARGS="ledger --json").
	$(CARGO) run --release --package horkos-cli -- bench $(ARGS)

deny: need-toolchain ## Checks licences, bans, sources and advisories of all dependencies (advisories need the network).
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: install it with \`cargo install cargo-deny --locked\`" >&2; exit 1; }
	$(CARGO) deny check $(ARGS)

need-toolchain:
	@command -v $(CARGO) >/dev/null 2>&1 || { echo "the Rust toolchain is missing: install $(RUST_VERSION) or newer from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null 2>&1 || { echo "a C compiler named cc is missing: install gcc or clang (Debian: apt install gcc libc6-dev)" >&2; exit 1; }
	@command -v perl >/dev/null 2>&1 || { echo "perl is missing: OpenSSL is compiled in and needs it (Debian: apt install perl)" >&2; exit 1; }
