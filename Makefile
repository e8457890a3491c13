# Everything there is to do here. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps share one target folder and one database; cargo and npm use all cores by themselves.
.NOTPARALLEL:

target := $(or $(CARGO_TARGET_DIR),target)
console_sources := $(shell find console/src console/public -type f 2>/dev/null) \
	$(wildcard console/index.html console/package.json console/tsconfig*.json console/vite.config.*)

.PHONY: help
help: ## list this
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

# Not optimised: somebody who has just come should not wait twice as long. `make release` is for the rest.
.PHONY: run
run: packages-run console ## install what is missing, build, and start the demonstration (ARGS= for more)
	SQLX_OFFLINE=true cargo build -p yidiantong -p firmware-sim
	exec $(target)/debug/yidiantong serve --demo $(ARGS)

.PHONY: release
release: packages-run console ## build the optimised executables, into target/release
	SQLX_OFFLINE=true cargo build --release -p yidiantong -p firmware-sim

.PHONY: test
test: packages-test console venv ## every ring of tests
	scripts/test

.PHONY: check
check: console ## format, lints, bans and licences, freshness of .sqlx
	cargo fmt --all --check
	SQLX_OFFLINE=true cargo clippy --workspace --all-targets -- -D warnings
	if cargo deny --version >/dev/null 2>&1; then cargo deny check bans licenses sources; \
	else echo 'cargo-deny is not installed: bans, licences and sources were NOT checked'; fi
	scripts/prepare-sqlx --check

.PHONY: sim
sim: ## the core in virtual time: many more small districts and days of whole cities than `make test` takes
	SIM_SEEDS=$${SIM_SEEDS:-100000} CITY_DAYS=$${CITY_DAYS:-2000} cargo test --release -p simulation -- --nocapture

.PHONY: bench
bench: packages-bench console ## what the front door carries, beside Mosquitto and pgbench, for an hour; goes on where it was stopped: docs/benchmarks.md
	SQLX_OFFLINE=true cargo build --release -p load -p firmware-sim -p yidiantong
	$(target)/release/load all --data $${BENCH_DATA:-$(target)/bench} $(ARGS)
	SQLX_OFFLINE=true cargo bench -p domain -p broker -p gateway --benches

.PHONY: fuzz
fuzz: packages-fuzz ## any bytes at the door, for half an hour, and on each dialect's connection, ten minutes each (FUZZ_SECONDS=, FUZZ_TARGET=)
	scripts/fuzz

.PHONY: mutants
mutants: ## break the core on purpose and demand that the simulation notices
	scripts/mutants

.PHONY: chaos
chaos: packages-test console venv ## a hundred rounds of kill -9, with everybody's pager on
	cargo build --workspace --all-targets
	CHAOS_ROUNDS=$${CHAOS_ROUNDS:-100} cargo test --workspace --test chaos -- --nocapture

.PHONY: fmt
fmt: ## format
	cargo fmt --all

.PHONY: db
db: packages-run ## start a throwaway database and print its URL (`scripts/dev-db stop` ends it)
	scripts/dev-db

.PHONY: sqlx
sqlx: packages-run console ## write .sqlx anew, after a change of a query or a migration
	scripts/prepare-sqlx

.PHONY: console
console: console/dist/index.html ## build the web pages

.PHONY: clean
clean: ## remove what was built; data folders stay
	scripts/dev-db stop
	cargo clean
	rm -rf console/dist console/node_modules

.PHONY: packages-run packages-test packages-bench packages-fuzz
packages-run:
	scripts/install-packages run
packages-test:
	scripts/install-packages test
packages-bench:
	scripts/install-packages bench
packages-fuzz:
	scripts/install-packages fuzz

# A file inside the folder that npm and venv make, so that it goes with the folder.
console/node_modules/.complete: console/package-lock.json console/package.json
	npm --prefix console ci --no-fund --no-audit
	touch $@

console/dist/index.html: console/node_modules/.complete $(console_sources)
	npm --prefix console run build
	touch $@

.PHONY: venv
venv: target/venv/.complete
target/venv/.complete: tests/system/requirements.txt
	python3 -m venv --clear target/venv
	target/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@
