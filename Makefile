# smsgw. Each target sets up its own environment in $(VENV) first, from nothing but Python and make.
#   make demo     a message from the socket to a simulated carrier and back, shown
#   make test     everything that has to hold: style, types, floors, tests
#   make bench    rates, latencies and CPU a message of the real daemon, by stage beside its budget
#   make memory   the daemon's memory with a million queued, parked receipts and open threads, and how fast it starts
#   make soak     an hour under load with reconnects, restarts, slow handlers and retention: nothing may grow (MINUTES=n)
#   make kills    the long runs: 200 kills under load, under inbound load, and while people opt in (ROUNDS=n)
#   make hostile  a carrier that does everything wrong beside an honest one, for a quarter of an hour
#   make sim      thousands of simulated runs, each from a seed: SEEDS=n, FROM=k
#   make rate     what is reached against a carrier that takes 200 segments a second
#   make flood    100,000 first parts of long messages that never end, four ways
#   make fuzz     ten million hostile inputs, and a million mutated PDUs each way against real processes
#   make foreign  10,000 PDUs read by Wireshark, and texts counted by two other calculators, in full
#   make lint     style, types and floors alone; make format mends the style
#   make docs     what is generated in docs/: configuration, conformance, schemas of events
#   make clean    removes what the others made, the environment too
VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
RUN := $(BIN)/python -m
STAMP := $(VENV)/.smsgw-installed
ROUNDS := 200
PEERS := tests/foreign/node
PEERS_STAMP := $(PEERS)/node_modules/.smsgw-installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench memory soak kills hostile sim rate flood fuzz foreign docs clean

help:
	@sed -n 's/^#   //p' Makefile

# The build backend is installed beside the rest, so that constraints.txt holds for it too.
$(STAMP): pyproject.toml constraints.txt .ci/venv
	@sh .ci/venv "$(VENV)" $(PYTHON)
	@echo "installing into $(VENV)"
	@$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch "$(STAMP)"

# What the tests in tests/foreign talk to; where node is absent they skip.
$(PEERS_STAMP): $(PEERS)/package.json $(PEERS)/package-lock.json .ci/peers
	@sh .ci/peers $(PEERS)

demo: $(STAMP)
	@$(RUN) gateway demo

lint: $(STAMP)
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy --strict gateway
	$(BIN)/python -c "from importlinter.cli import lint_imports_command as main; main()" --no-cache

# Two at a time, each file of tests in one process: the half of them waits for processes of their own. Hundreds of
# these start, so what is compiled is kept, also where the environment says otherwise: it is 0.4 s of each start.
# The files in their order, not those with many tests first: the last ones, tests/unit, are then the short ones.
test: export PYTHONDONTWRITEBYTECODE =
test: lint $(PEERS_STAMP)
	$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

format: $(STAMP)
	$(RUN) ruff check --fix
	$(RUN) ruff format

bench: $(STAMP)
	$(RUN) bench.run

memory: $(STAMP)
	$(RUN) bench.memory --svg memory.svg
	$(RUN) bench.start

MINUTES ?= 60
soak: $(STAMP)
	$(RUN) bench.soak --minutes $(MINUTES) --svg soak.svg --json soak.json

kills: $(STAMP)
	$(RUN) tests.system.kills --rounds $(ROUNDS)
	$(RUN) tests.system.kills_inbound --rounds $(ROUNDS)
	$(RUN) tests.system.kills_consent --rounds $(ROUNDS)

hostile: $(STAMP)
	$(RUN) tests.system.hostile

rate: $(STAMP)
	$(RUN) bench.rate

flood: $(STAMP)
	$(RUN) bench.flood

# Each seed is a run of its own: one that fails is played again as it says.
SEEDS ?= 2000
FROM ?= 1
sim: $(STAMP)
	@$(RUN) tests.sim --seeds $(SEEDS) --from $(FROM) --jobs 2

fuzz: $(STAMP)
	$(RUN) tests.fuzz --inputs 10000000
	$(RUN) tests.fuzz.hostile --pdus 1000000

foreign: $(STAMP) $(PEERS_STAMP)
	SMSGW_FOREIGN=long $(RUN) pytest tests/foreign

docs: $(STAMP)
	$(RUN) gateway.settings.reference > docs/config.md.new
	mv docs/config.md.new docs/config.md
	$(RUN) tests.conformance.document > docs/smpp-conformance.md.new
	mv docs/smpp-conformance.md.new docs/smpp-conformance.md
	$(RUN) gateway.outbox.schema docs

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@if [ -e "$(VENV)/pyvenv.cfg" ]; then rm -rf "$(VENV)"; fi
