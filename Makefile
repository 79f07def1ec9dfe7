# What a contributor runs: make demo, make test, make lint. Nothing needs installing but Go.

GO ?= go
# What the plugin runs as, and its registration must say: make VERSION=v1.2.3 build makes another.
VERSION := $(shell sed -n 's/^var Version = "\(.*\)"$$/\1/p' backend/backend.go)
# The race detector needs cgo, which needs a C compiler; where there is none the tests run without it.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

.PHONY: build test unit fuzz e2e soak bench bench-micro lint demo dev clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false \
		-ldflags '-s -w -X github.com/apisig/vault-plugin-apisig/backend.Version=$(VERSION)' -o bin/ ./cmd/...

test: unit e2e
	$(MAKE) fuzz FUZZTIME=2000x

unit:
	$(GO) test $(RACE) ./backend/... ./cmd/... ./internal/...
	$(GO) test -run '^$$' -bench . -benchtime 1x ./internal/pave ./internal/avanan ./backend

# Each fuzz target for a minute, or for what FUZZTIME says; make test gives each two thousand inputs.
FUZZTIME ?= 1m
fuzz:
	set -e; for package in $$($(GO) list ./backend/... ./internal/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# Vault is found or built first, so that its build does not use up the tests' time limit.
e2e:
	VAULT_BIN=$$(scripts/vault-bin) && export VAULT_BIN && $(GO) test -count=1 -timeout 15m ./e2e/...

# Ten minutes of mixed load, and two to warm up, or what SOAK says; .ci/run gives it one.
SOAK ?= 10m
soak:
	VAULT_BIN=$$(scripts/vault-bin) && export VAULT_BIN && SOAK=$(SOAK) $(GO) test -count=1 -timeout 60m -v -run '^(TestSoak|TestTokenIsRenewedWithoutReaders)$$' ./e2e/load

# About thirteen minutes. docs/performance.md says how to read what it prints; make test runs a short form of it.
bench:
	VAULT_BIN=$$(scripts/vault-bin) && export VAULT_BIN && BENCH=full $(GO) test -count=1 -timeout 60m -run '^TestBench$$' -v ./e2e/load

bench-micro:
	$(GO) test -run '^$$' -bench . -count 5 ./internal/pave ./internal/avanan ./backend

lint:
	$(GO) vet ./...
	$(GO) tool -modfile=tools/lint/go.mod golangci-lint run
	deps=$$($(GO) list -deps ./internal/...) && ! echo "$$deps" | grep hashicorp/vault/

demo: build
	scripts/demo

dev: build
	scripts/demo --stay

clean:
	rm -rf bin
