# SPDX-License-Identifier: MIT
#
# make build   install what is missing, make .venv with a working `enforcer`
# make run     show what enforcer does, here or in a virtual machine
# make check   style, types, formatting
# make test    what a change must pass: the tests on this host, then those in a real kernel; FAIL_EARLY=1
# make docs    the documentation as a site, in build/site
# make pictures   those of the README, by a run in a virtual machine
# make deb     a package for Debian, in dist/
# make wheel   a wheel for every Linux with glibc 2.34 and Python 3.11, with its sources, in dist/
# make rpm     a package for Fedora and its relatives, in dist/; needs rpmbuild
# make image   a container image, in dist/; needs mmdebstrap and umoci
# make test-package   that package under a real dpkg and systemd: install, upgrade, remove, purge
# make test-containers   policies for containers under podman, containerd and systemd-nspawn, from Debian's packages; a part of test-all
# make test-kube   definitions, roles and the agent at a real API server of Kubernetes, which is built at the first time; the chart
# make test-cluster   a cluster in a virtual machine, with kubelet and containerd, as docs/kubernetes.md types it; needs mmdebstrap and umoci
# make test-wheel   the wheel in clean systems of Debian, on Python 3.11 and later; PYTHONS, more interpreters; needs mmdebstrap
# make test-wheel-pages   the commands of README and docs with the wheel, here and in virtual machines
# make test-rpm     the rpm in a clean system: install, upgrade, remove; needs rpmbuild and mmdebstrap
# make test-image   the program in the root of the image; needs mmdebstrap and umoci
# make test-all   every test on every kernel, on a plain processor, with three times the random examples, the soak at a tenth, containers, and the last four
# make coverage   which code of the BPF programs has run in the machines of make test: FILES=test_exec.py
# make bench   what a hook costs, in instructions: ONLY=open RULES=1,10000 for a part
# make bench-decide   what a decision takes, in nanoseconds, on this machine
# make bench-records   how many records a second one core takes into a log, on this machine
# make bench-compile   what it takes to read and compile policies, in seconds, on this machine
# make bench-reload   how long a saved file takes until it is active, by part, on this machine, as root
# make bench-containers   what the engine adds to the start of a container, in instructions, in a virtual machine
# make soak    an hour or more in one kernel: a thousand reloads and fifty crashes under attack
# make ltp     the Linux Test Project's tests of system calls, without the engine and with it: LTP=DIR, a build
# make clean   remove everything that was made here

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

VENV := .venv
INSTALLED := $(VENV)/.installed
FORMATTED_C := $(shell find bpf enforcer/hook tests/vm/hunt -name '*.[ch]' 2>/dev/null)
CLANG_FORMAT = $(firstword $(shell command -v clang-format-19 clang-format))

# Machines at a time, and the processors of an ordinary one; whoever needs two gets a machine that has them.
# More than there are processors, as tests often wait. In the outer circle, they do for a quarter of their time.
MACHINES ?=
FEW := $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
INNER_MACHINES = $(or $(MACHINES),$(shell echo $$(($(FEW) + 1))))
OUTER_MACHINES = $(or $(MACHINES),$(shell echo $$(($(FEW) + 2))))
CPUS ?= 1

# Seconds that one machine may take, boot included.
VM_TIMEOUT ?= 4200

# Not empty: these parts of `make test-all` and no other: host, packages, soak, containers, 6.1, cloud, lab, 7.3.
PARTS ?=

# Not empty: the first failed job ends the run.
FAIL_EARLY ?=

SUITE = $(VENV)/bin/python tests/vm/suite --cpus $(CPUS) --timeout $(VM_TIMEOUT) $(FAIL_EARLY:%=--fail-early)
INNER = $(SUITE) test --machines $(INNER_MACHINES)
OUTER = $(SUITE) all --machines $(OUTER_MACHINES)

# Seconds for `make soak`; ENFORCER_SOAK=10 does a tenth of it.
SOAK_TIMEOUT ?= 28800
ENFORCER_SOAK ?= 1

.PHONY: help setup build run check ready-for-guests packages test docs pictures deb wheel rpm image test-package test-containers test-kube test-cluster test-wheel test-wheel-pages test-rpm test-image try-packages containers test-all coverage bench bench-decide bench-compile bench-records bench-reload bench-containers soak ltp clean

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
	MYPYPATH=tests $(VENV)/bin/mypy --strict tests/vm/hunt
	$(CLANG_FORMAT) --dry-run -Werror $(FORMATTED_C)
	$(VENV)/bin/pytest -q tests/unit/test_imports.py tests/unit/test_documents.py tests/unit/events/test_event_schema.py

test: ready-for-guests
	@$(INNER)

docs: build $(VENV)/.documenting
	@$(VENV)/bin/python scripts/docs/make.py

pictures: ready-for-guests $(VENV)/.documenting
	@$(VENV)/bin/python scripts/pictures/make.py

$(VENV)/.documenting: $(INSTALLED)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

deb: build
	@$(VENV)/bin/python scripts/make-deb.py

WHEEL_TOOLS := $(VENV)/.wheel-tools
$(WHEEL_TOOLS): $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --disable-pip-version-check 'auditwheel>=6.5' 'wheel>=0.45'
	@touch $@

wheel: build $(WHEEL_TOOLS)
	@$(VENV)/bin/python scripts/make-wheel.py

newest = $$(ls -t dist/$(1) | head -n 1)

rpm: wheel
	@$(VENV)/bin/python scripts/make-rpm.py "$(call newest,*-manylinux_*.whl)"

image: deb
	@$(VENV)/bin/python scripts/make-image.py "$(call newest,enforcer_*.deb)"

packages: ready-for-guests
	@$(VENV)/bin/python tests/vm/packaged.py

test-package: packages
	@$(INNER) test_package.py

# Without an image, that of enforcer or the one with services, its tests are skipped, and say why.
containers: ready-for-guests
	@$(MAKE) image || true
	@$(VENV)/bin/python scripts/make-services-image.py build/vm/services.tar || true
	@$(VENV)/bin/python tests/vm/runtime_packages.py

test-containers: containers
	@$(OUTER) --part containers

# Without a server the tests are skipped, and say why.
test-kube: build
	@$(VENV)/bin/python scripts/kube/build-server.py build/kube || true
	@$(VENV)/bin/python scripts/kube/fetch-helm.py build/helm/helm || true
	@$(VENV)/bin/pytest -q tests/kube tests/unit/test_kube_manifests.py

# Times that each part is killed, and policies that come at once.
CLUSTER_ROUNDS ?= 3
CLUSTER_POLICIES ?= 50

# Without the programs of the cluster the tests are skipped, and say why.
test-cluster: ready-for-guests image
	@$(VENV)/bin/python scripts/kube/build-cluster.py build/cluster || true
	@$(VENV)/bin/python scripts/kube/fetch-helm.py build/helm/helm || true
	@$(VENV)/bin/python tests/vm/runtime_packages.py containerd runc containernetworking-plugins busybox-static
	@tests/vm/run --systemd --cpus 2 --mem 3G --scratch 3072 --timeout $(VM_TIMEOUT) --out build/cluster-run -- \
		"ENFORCER_CLUSTER_ROUNDS=$(CLUSTER_ROUNDS) ENFORCER_CLUSTER_POLICIES=$(CLUSTER_POLICIES) \
		$(VENV)/bin/pytest -p no:cacheprovider --basetemp /tmp/tests -q tests/vm/cluster"

# Interpreters of this machine, besides those of Debian.
PYTHONS ?=

TRY_WHEEL = $(VENV)/bin/python scripts/try-wheel.py "$(call newest,*-manylinux_*.whl)" --python $(PYTHONS)
test-wheel: wheel
	@$(TRY_WHEEL)

WHEEL_VENV := build/wheel-venv
define TRY_WHEEL_PAGES
@rm -rf $(WHEEL_VENV)
@"$$(scripts/setup.sh --python)" -m venv $(WHEEL_VENV)
@$(WHEEL_VENV)/bin/pip install --quiet --disable-pip-version-check "$(call newest,*-manylinux_*.whl)"
@$(VENV)/bin/python scripts/printed-pages.py --check --with $(WHEEL_VENV)/bin
endef
test-wheel-pages: wheel packages
	$(TRY_WHEEL_PAGES)

TRY_RPM = $(VENV)/bin/python scripts/try-rpm.py "$(call newest,*-manylinux_*.whl)"
test-rpm: wheel
	@$(TRY_RPM)

TRY_IMAGE = $(VENV)/bin/python scripts/try-image.py "$(call newest,*.oci.tar)"
test-image: image
	@$(TRY_IMAGE)

# For `make test-all`, which has made them: beside machines that see this tree, nothing is made anew.
try-packages:
	@$(TRY_WHEEL)
	@$(TRY_RPM)
	@$(TRY_IMAGE)
	$(TRY_WHEEL_PAGES)

# $(call of,PART,TARGETS): what PART needs, if it is wanted.
of = $(if $(PARTS),$(if $(filter $(1),$(PARTS)),$(2)),$(2))
test-all: packages $(call of,containers,containers) $(call of,packages,wheel image)
	@$(OUTER) $(PARTS:%=--part %)

# What an emulated machine would take minutes for: programs in C, and Python as bytecode.
BYTECODE = env -u PYTHONDONTWRITEBYTECODE -u PYTHONPYCACHEPREFIX
ready-for-guests: build
	@$(VENV)/bin/python tests/vm/compiled.py
	@$(BYTECODE) $(VENV)/bin/pytest -q --collect-only tests/vm >build/vm/collected || \
		{ cat build/vm/collected; exit 1; }

# Files of tests/vm; all of them where none is named.
FILES ?=

coverage: ready-for-guests
	@gcc -O2 -Wall -Werror -shared -fPIC -fvisibility=hidden -o build/vm/blocks.so tests/kernel_coverage/blocks.c
	@$(INNER) --blocks $(CURDIR)/build/vm/blocks.so $(FILES) || true
	@$(VENV)/bin/python tests/kernel_coverage/report.py build/test

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

bench-containers: ready-for-guests
	@$(VENV)/bin/python tests/bench/containers.py

soak: build
	@mkdir -p build/soak; \
	ENFORCER_SOAK=$(ENFORCER_SOAK) $(VENV)/bin/python tests/vm/script.py build/soak/storm.gz; \
	ENFORCER_SOAK=$(ENFORCER_SOAK) $(VENV)/bin/pytest -q tests/soak/test_records.py; \
	tests/vm/run --timeout $(SOAK_TIMEOUT) --scratch 256 \
		--out build/soak -- "ENFORCER_SOAK=$(ENFORCER_SOAK) ENFORCER_STORM=build/soak/storm.gz \
		$(VENV)/bin/pytest -p no:cacheprovider -v -s \
		tests/vm/test_reload.py tests/vm/test_survival.py tests/vm/test_race.py \
		tests/vm/test_fast.py tests/vm/test_growth.py tests/vm/test_remembered.py \
		tests/vm/test_hunt_*.py \
		tests/soak/test_soak.py && \
		$(VENV)/bin/python tests/soak/timing.py" 2>&1 | tee build/soak/soak.log

# Seconds after which no more are begun, and that one may take; names of tests, with * and ?, and of those to leave out.
LTP_SECONDS ?= 5400
LTP_LONGEST ?= 60
LTP_ONLY ?=
LTP_LEAVE_OUT ?=

ltp: build
	@test -d "$(LTP)/runtest" || { echo "make ltp LTP=DIRECTORY, with a build of the Linux Test Project" >&2; exit 2; }
	@mkdir -p build/ltp; \
	tests/vm/run --timeout $$((2 * $(LTP_SECONDS) + 2400)) --scratch 1024 -- \
		"$(VENV)/bin/python tests/vm/ltp.py '$(abspath $(LTP))' --seconds $(LTP_SECONDS) \
		--longest $(LTP_LONGEST) $(LTP_ONLY:%=--only '%') $(LTP_LEAVE_OUT:%=--leave-out '%')" 2>&1 | tee build/ltp/ltp.log

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache *.egg-info
	rm -rf enforcer/cli/completions
	rm -f enforcer/_abi.py enforcer/hook/container-hook enforcer/libbpf/*.so enforcer/libbpf/objects/*.o
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
