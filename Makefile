# What a contributor runs: make demo, make test, make lint. Nothing needs installing but Go.

GO ?= go
VERSION := $(shell sed -n 's/^var Version = "\(.*\)"$$/\1/p' backend/backend.go)
# The race detector needs a C compiler; where there is none the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

.PHONY: build test unit e2e lint demo dev clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false \
		-ldflags '-s -w -X github.com/apisig/vault-plugin-apisig/backend.Version=$(VERSION)' -o bin/ ./cmd/...

test: unit e2e

unit:
	$(GO) test $(RACE) ./backend/... ./cmd/... ./internal/...

e2e:
	$(GO) test -count=1 -timeout 15m ./e2e/...

lint:
	$(GO) vet ./...
	$(GO) tool -modfile=tools/lint/go.mod golangci-lint run
	! $(GO) list -deps ./internal/... | grep hashicorp/vault/

demo: build
	scripts/demo

dev: build
	scripts/demo --stay

clean:
	rm -rf bin
