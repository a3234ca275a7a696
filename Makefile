# SPDX-License-Identifier: GPL-2.0-or-later
# A thin front for meson and ninja, and for the scripts in tools/. `make help` lists the targets.
PREFIX ?= /usr/local
MESON = /usr/bin/meson
NINJA = /usr/bin/ninja
BUILD = build
SECONDS = 60

# Under sudo what is built still belongs to the owner of the tree.
OWNER := $(shell stat -c %U .)
ifeq ($(shell id -u),0)
ifneq ($(filter-out root UNKNOWN,$(OWNER)),)
AS_OWNER = runuser -u $(OWNER) --
endif
endif

all: $(BUILD)/build.ninja ## build/brig, and build/brig-oci, brig-vmm and brig-guest
	@$(AS_OWNER) $(NINJA) -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/setup build
	@$(AS_OWNER) $(MESON) setup $(BUILD)

check: all ## the quick tests, which need no root
	@tools/test check

test: setup all ## every test; as root, since containers and machines are run for real
	@tools/test all

demo: setup-run all ## a container and a machine from one Debian image; as root
	@tools/demo

install: all ## into $(DESTDIR)$(PREFIX), by default /usr/local
	@$(AS_OWNER) $(MESON) configure $(BUILD) -Dprefix=$(PREFIX)
	@$(AS_OWNER) $(NINJA) -C $(BUILD)
	@$(MESON) install -C $(BUILD) --no-rebuild --destdir "$(DESTDIR)"

deb: ## a package for Debian, in build/deb
	@tools/setup build package
	@$(AS_OWNER) tools/deb

bench: setup all ## brig against its peers, as ratios; as root
	@tests/bench/run

lab: export LAB_CMD = $(value CMD)
lab: all ## CMD, or a shell, in a Debian machine with a KVM of its own (docs/lab.md)
	@tools/lab "$$LAB_CMD"

lab-vm: all ## every test of machines on the engine kvm, in the lab; BRIG_TEST_ENGINE=qemu for the other one
	@tests/lab/run --machines

fuzz: ## each parser of outside bytes for SECONDS (60)
	@tools/fuzz $(SECONDS)

format: ## the tree's format, in place
	@git ls-files -z --cached --others --exclude-standard '*.[ch]' | xargs -0 clang-format-14 -i

setup: ## the Debian packages that building, running and testing need; as root
	@tools/setup

setup-run:
	@tools/setup build run

clean: ## everything that was built
	@rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

.NOTPARALLEL:
.PHONY: all check test demo install deb bench lab lab-vm fuzz format setup setup-run clean help
