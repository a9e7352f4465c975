# SPDX-License-Identifier: GPL-2.0-only
# cpt: checkpoint and restore of Linux containers. `make help` lists the targets.

BUILD ?= build
CC = gcc
# V=1 shows whole commands.
Q := $(if $(V),,@)
CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wold-style-definition -Wpointer-arith -Wvla -Wformat=2 -Wno-format-nonliteral -Werror
# SANITIZE=address,undefined builds everything with those sanitizers.
SANITIZE ?=
PACKAGES = devmapper libnfs
# Linked whole, where there are archives of them: binding the symbols of these three was two thirds of the
# 2.2 million instructions that a start of cpt took, which counts when a restore takes ten times that.
whole = $(foreach l,sqlite3 json-c cgroup,$(if $(wildcard $(shell $(CC) -print-file-name=lib$(l).a)),-l:lib$(l).a,-l$(l)))
CPPFLAGS += -D_GNU_SOURCE -Isrc -I$(BUILD)/gen
ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(CFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE)) \
	     $(shell pkg-config --cflags $(PACKAGES) sqlite3 json-c 2>/dev/null)
LDLIBS := $(whole) $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm
LDFLAGS += $(if $(SANITIZE),-fsanitize=$(SANITIZE))

sources := $(sort $(wildcard src/*.c src/*/*.c src/*/*.S))
objects := $(patsubst src/%,$(BUILD)/obj/%.o,$(basename $(sources)))
library_objects := $(filter-out $(BUILD)/obj/main.o,$(objects))
unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
vm_tests := $(addprefix $(BUILD)/vm/,kill_at.so replay_log thin_ids)
live_tests := $(patsubst tests/live/%.c,$(BUILD)/live/%,$(wildcard tests/live/*_*.c))

.PHONY: all
all: $(BUILD)/cpt ## build cpt (default)

$(BUILD)/cpt: $(objects)
	@echo '  LD      $@'
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/%.o: src/%.c Makefile | $(BUILD)/gen/schema_sql.h
	@mkdir -p $(@D)
	@echo '  CC      $<'
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: src/%.S Makefile
	@mkdir -p $(@D)
	@echo '  AS      $<'
	$(Q)$(CC) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# The catalog's schema is one readable file; the program carries it as a string.
$(BUILD)/gen/schema_sql.h: schema.sql
	@mkdir -p $(@D)
	$(Q){ echo 'static const char schema_sql[] ='; \
	  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $<; echo ';'; } >$@

$(BUILD)/unit/%: tests/unit/%.c $(library_objects) Makefile
	@mkdir -p $(@D)
	@echo '  TEST    $<'
	$(Q)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(library_objects) $(LDLIBS) -lcmocka

$(BUILD)/live/%: tests/live/%.c $(wildcard tests/live/*.h) $(BUILD)/live/live.o Makefile
	@mkdir -p $(@D)
	@echo '  LIVE    $<'
	$(Q)$(CC) $(CPPFLAGS) -Itests/live $(ALL_CFLAGS) -pthread -o $@ $< $(BUILD)/live/live.o -lm

$(BUILD)/vm/%: tests/vm/%.c Makefile
	@mkdir -p $(@D)
	@echo '  TEST    $<'
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -o $@ $<

$(BUILD)/vm/%.so: tests/vm/%.c Makefile
	@mkdir -p $(@D)
	@echo '  TEST    $<'
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -shared -fPIC -o $@ $<

$(BUILD)/live/live.o: tests/live/live.c tests/live/live.h Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/live $(ALL_CFLAGS) -c -o $@ $<

# Fuzzers: everything again by clang, with sanitizers.
FUZZ_SECONDS ?= 60
fuzz_objects := $(patsubst $(BUILD)/obj/%,$(BUILD)/fuzz/obj/%,$(library_objects))
FUZZ_CFLAGS = -std=gnu11 -O1 -g -w -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

$(BUILD)/fuzz/obj/%.o: src/%.c Makefile | $(BUILD)/gen/schema_sql.h
	@mkdir -p $(@D)
	@echo '  FUZZ    $<'
	$(Q)clang $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/obj/%.o: src/%.S Makefile
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -c -o $@ $<

$(BUILD)/fuzz/%: tests/fuzz/%.c $(fuzz_objects) Makefile
	@echo '  FUZZ    $<'
	$(Q)clang $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(fuzz_objects) $(LDLIBS)

# ---- setting up --------------------------------------------------------------

.PHONY: setup
setup: ## install the packages that building and testing need
	@scripts/setup

.PHONY: kernel kernel-debug kernel-deb kernel-check
kernel: setup ## build the patched kernel (cached by its inputs)
	@scripts/kernel build
kernel-debug: setup
	@scripts/kernel build debug
kernel-deb: setup ## an installable package of the patched kernel for a real machine
	@scripts/kernel deb
kernel-check: setup ## each patch applies, compiles and has no checkpatch errors
	@scripts/kernel check

# ---- testing -----------------------------------------------------------------

.PHONY: fuzz check check-unit check-vm check-long check-debug
check: setup ## every test
	@scripts/check

check-unit: setup ## unit tests: no privileges, seconds
	@$(MAKE) -s -j$$(nproc) $(unit_tests)
	@scripts/unit-tests $(unit_tests)

fuzz: setup ## catalogs made up by libFuzzer, for FUZZ_SECONDS=60
	@$(MAKE) -s -j$$(nproc) $(BUILD)/fuzz/fuzz_catalog
	@scripts/fuzz $(BUILD)/fuzz/fuzz_catalog $(FUZZ_SECONDS)

check-vm: kernel ## kernel selftests and live programs in the VM
	@$(MAKE) -s -j$$(nproc) all $(live_tests) $(vm_tests) $(BUILD)/unit/test_store
	@scripts/check-vm --timeout 2600

check-long: kernel ## live programs in every mode, cpt killed or the power cut at a thousand moments
	@$(MAKE) -s -j$$(nproc) all $(live_tests) $(vm_tests)
	@CPT_LIVE_MODES='host-kill ns-kill user-kill host-again ns-again user-again' CPT_KILL_RANDOM=1000 CPT_CUTS=all \
		scripts/check-vm --timeout 15000 -- \
		killpoints powercut live=1/4 live=2/4 live=3/4 live=4/4

check-debug: kernel-debug kernel ## the same under KASAN, lockdep and DEBUG_VM
	@$(MAKE) -s -j$$(nproc) all $(live_tests) $(vm_tests) $(BUILD)/unit/test_store
	@scripts/check-vm --kernel $(BUILD)/kernel-debug/bzImage --mem 6G --timeout 10000

.PHONY: demo shell bench
demo: kernel ## a server in a container: snapshot, kill, restore, clone, audit
	@$(MAKE) -s -j$$(nproc) all
	@scripts/vm --mem 4G --timeout 1100 -- scripts/demo
bench: kernel ## measure against CRIU in the same VM: much memory; many tasks, descriptors, mappings
	@$(MAKE) -s -j$$(nproc) all $(BUILD)/bench/bench_memory $(BUILD)/bench/bench_scale
	@scripts/vm --mem 8G --scratch 16G --timeout 5000 -- scripts/bench
shell: kernel ## a shell in the VM with cpt and a store ready
	@$(MAKE) -s -j$$(nproc) all
	@scripts/vm --mem 4G --shell -- scripts/vm-shell

$(BUILD)/bench/%: tests/bench/%.c tests/bench/bench_shared.h Makefile
	@mkdir -p $(@D)
	@echo '  BENCH   $<'
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -pthread -o $@ $<

PREFIX ?= /usr/local
.PHONY: install
install: all ## install cpt, its manual page and completions
	install -Dm755 $(BUILD)/cpt $(DESTDIR)$(PREFIX)/sbin/cpt
	install -Dm644 src/cmd/cpt.8 $(DESTDIR)$(PREFIX)/share/man/man8/cpt.8
	install -Dm644 src/cmd/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/cpt

.PHONY: clean
clean: ## remove what the build made, but for the kernel
	rm -rf $(BUILD)/bench $(BUILD)/fuzz $(BUILD)/obj $(BUILD)/gen $(BUILD)/unit $(BUILD)/live $(BUILD)/vm $(BUILD)/cpt

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

-include $(fuzz_objects:.o=.d) $(objects:.o=.d) $(unit_tests:=.d)
