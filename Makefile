# SPDX-License-Identifier: MIT
# Short names for what a developer does; meson builds.
BUILD ?= build/dev

.PHONY: help setup test fast asan bench fuzz fmt pg-up
help:           ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12

setup:          ## install what is missing, configure and build in $(BUILD)
	deploy/deps --test
	[ -e $(BUILD)/build.ninja ] || meson setup $(BUILD)
	ninja -C $(BUILD)

test:           ## every test, but for the long ones
	tests/run

fast:           ## style, unit and some integration tests: under a minute
	tests/run --fast

asan:           ## unit, interop and integration under ASan and UBSan
	tests/run asan

bench:          ## all figures against PostgreSQL and PgBouncer: about 15 minutes
	tests/bench/run

fuzz:           ## each fuzz target for a short time
	tests/run fuzz

fmt:            ## format the C sources
	tests/tools/format --fix

pg-up:          ## a PostgreSQL to play with, until Ctrl-C
	@tests/tools/pg-up
