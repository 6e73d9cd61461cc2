# SPDX-License-Identifier: MIT
#
# make build   install what is missing, make .venv with a working `enforcer`
# make run     show what enforcer does, here or in a virtual machine
# make check   style, types, formatting
# make test    all tests: on this host, then once more inside a real kernel
# make kernels   on other kernels than make test: whether they refuse any program, and what that is about
# make bench   what a hook costs, in instructions: ONLY=open RULES=1,10000 for a part
# make bench-decide   what a decision takes, in nanoseconds, on this machine
# make bench-records   how many records a second one core takes into a log, on this machine
# make bench-compile   what it takes to read and compile policies, in seconds, on this machine
# make bench-reload   how long a saved file takes until it is in force, by part, on this machine, as root
# make soak    an hour or more in one kernel: a thousand reloads and fifty crashes under attack
# make clean   remove everything that was made here

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

# Kernels that `make test` boots, by the names that tests/vm/run knows.
KERNELS ?= cloud

VENV := .venv
INSTALLED := $(VENV)/.installed
BPF_C := $(shell find bpf -name '*.[ch]' 2>/dev/null)
CLANG_FORMAT = $(firstword $(shell command -v clang-format-19 clang-format))

# Further kernels that must take every program, for `make kernels`.
OTHER_KERNELS ?= 6.1 7.3

# The tests in a kernel are divided over as many machines as this names, which run beside each other.
VM_PARTS ?= 1/2 2/2

# Each kernel boots once more with these active LSMs, bpf not among them, for one file of tests; empty: it does not.
VM_LSMS ?= landlock,lockdown,yama,apparmor

# Processes that share the tests on the host; beyond a few, each only loads the same modules once more.
HOST_WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))

# Seconds that the tests in one kernel may take, boot included.
VM_TIMEOUT ?= 4200

# Seconds for `make soak`; ENFORCER_SOAK=10 does a tenth of it.
SOAK_TIMEOUT ?= 28800
ENFORCER_SOAK ?= 1

.PHONY: help setup build run check test kernels bench bench-decide bench-compile bench-records bench-reload soak clean

help:
	@sed -n 's/^# make/make/p' Makefile

setup:
	@scripts/setup.sh

# build.py makes only what its inputs have changed.
build: $(INSTALLED)
	@$(VENV)/bin/python build.py

$(VENV)/bin/python: | setup
	"$$(scripts/setup.sh --python)" -m venv $(VENV)

$(INSTALLED): $(VENV)/bin/python pyproject.toml build.py | setup
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: build
	@if $(VENV)/bin/enforcer doctor >/dev/null 2>&1; then \
		scripts/demo.sh; \
	else \
		echo "This kernel cannot enforce ($(VENV)/bin/enforcer doctor says why), so the"; \
		echo "demonstration runs in a virtual machine, which takes a moment to start."; \
		tests/vm/run --timeout 300 -- scripts/demo.sh; \
	fi

check: build
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict enforcer
	$(VENV)/bin/mypy --strict tests/vm/lab
	$(CLANG_FORMAT) --dry-run -Werror $(BPF_C)
	$(VENV)/bin/pytest -q tests/unit/test_imports.py tests/unit/events/test_event_schema.py

# Everything runs whatever fails; the closing lines come last. The boots without bpf need one processor, as do the
# tests on this host, so they run beside these.
test: build
	@mkdir -p build/test; rm -f build/test/*.log; failed=0; logs=host; beside=(); \
	for kernel in $(if $(VM_LSMS),$(KERNELS)); do \
		log="$$kernel-lsms"; \
		echo "test: LSMs without bpf in the kernel $$kernel, output in build/test/$$log.log"; \
		tests/vm/run --kernel "$$kernel" --cpus 1 --timeout $(VM_TIMEOUT) \
			--append "lsm=$(VM_LSMS)" --out "build/test/$$log" -- \
			$(VENV)/bin/pytest -p no:cacheprovider tests/vm/test_without_bpf_lsm.py \
			>"build/test/$$log.log" 2>&1 & \
		beside+=($$!); \
	done; \
	$(VENV)/bin/pytest tests --ignore=tests/vm --ignore=tests/soak -n $(HOST_WORKERS) 2>&1 \
		| tee build/test/host.log || failed=1; \
	for kernel in $(KERNELS); do \
		running=(); \
		for part in $(VM_PARTS); do \
			log="$$kernel-$${part%/*}"; logs+=" $$log"; \
			echo "test: part $$part in the kernel $$kernel, output in build/test/$$log.log"; \
			tests/vm/run --kernel "$$kernel" --timeout $(VM_TIMEOUT) --scratch 256 \
				--out "build/test/$$log" -- $(VENV)/bin/pytest -p no:cacheprovider \
				tests/vm --part "$$part" >"build/test/$$log.log" 2>&1 & \
			running+=($$!); \
		done; \
		for pid in "$${running[@]}"; do wait "$$pid" || failed=1; done; \
	done; \
	for pid in "$${beside[@]}"; do wait "$$pid" || failed=1; done; \
	for kernel in $(if $(VM_LSMS),$(KERNELS)); do logs+=" $$kernel-lsms"; done; \
	for log in $$logs; do [[ $$log == host ]] || cat "build/test/$$log.log"; done; \
	for log in $$logs; do \
		echo "$$log: $$(grep -E ' in [0-9.]+s|^vm: |^ERROR: ' "build/test/$$log.log" | tail -n 1 | tr -d =)"; \
	done; \
	exit $$failed

kernels: build
	@failed=0; \
	for kernel in $(OTHER_KERNELS); do \
		tests/vm/run --kernel "$$kernel" --timeout $(VM_TIMEOUT) --scratch 256 -- \
			$(VENV)/bin/pytest -p no:cacheprovider tests/vm/test_doctor.py \
			tests/vm/test_exec.py tests/vm/test_network.py tests/vm/test_sctp.py \
			tests/vm/test_mount_events.py tests/vm/test_system_events.py || failed=1; \
	done; \
	exit $$failed

bench: build
	@$(VENV)/bin/python tests/bench/bench.py --only "$(ONLY)" --rules "$(RULES)" $(PLAIN:%=--plain)

bench-decide: build
	@$(VENV)/bin/python tests/bench/decide.py --rules "$(RULES)"

bench-records: build
	@$(VENV)/bin/python tests/bench/records.py

bench-compile: build
	@$(VENV)/bin/python tests/bench/compile.py --rules "$(RULES)"

bench-reload: build
	@$(VENV)/bin/python tests/bench/reload.py --rules "$(RULES)"

soak: build
	@mkdir -p build/soak; \
	ENFORCER_SOAK=$(ENFORCER_SOAK) $(VENV)/bin/pytest -q tests/soak/test_records.py; \
	tests/vm/run --kernel "$(firstword $(KERNELS))" --timeout $(SOAK_TIMEOUT) --scratch 256 \
		--out build/soak -- "ENFORCER_SOAK=$(ENFORCER_SOAK) \
		$(VENV)/bin/pytest -p no:cacheprovider -v -s \
		tests/vm/test_reload.py tests/vm/test_survival.py tests/vm/test_race.py tests/vm/test_growth.py \
		tests/soak/test_soak.py && \
		$(VENV)/bin/python tests/soak/timing.py" 2>&1 | tee build/soak/soak.log

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache *.egg-info
	rm -f enforcer/libbpf/*.so enforcer/libbpf/objects/*.o
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
