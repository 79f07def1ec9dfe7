# You only need Go. make help lists the targets.

GO ?= go
# The version that the plugin reports and must be registered with. make VERSION=v1.2.3 build sets another one.
VERSION := $(shell sed -n 's/^var Version = "\(.*\)"$$/\1/p' backend/backend.go)
# The race detector needs cgo, which needs a C compiler. Without one the tests run without the detector.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)
# Many unit tests wait for a connection to time out, so more of them run at once than there are processors.
UNIT = $(GO) test -parallel 16 ./backend/... ./client/... ./cmd/... ./internal/... ./schemes
# The server that the end-to-end tests run: vault or openbao. It is found or built before the tests start, so that building it
# does not count towards their time limit.
SERVER ?= vault
VAULT = VAULT_BIN=$$(scripts/vault-bin $(SERVER)) && export VAULT_BIN &&
PROMETHEUS = PROMETHEUS_BIN=$$(scripts/prometheus-bin prometheus) && PROMTOOL_BIN=$$(scripts/prometheus-bin promtool) && \
	export PROMETHEUS_BIN PROMTOOL_BIN &&
# Tests that need a gateway are skipped where it cannot be had.
NGINX = NGINX_BIN=$$(scripts/gateway-bin nginx || :) && export NGINX_BIN &&
CADDY = CADDY_BIN=$$(scripts/gateway-bin caddy || :) && export CADDY_BIN &&
KUBERNETES = ETCD_BIN=$$(scripts/kubernetes-bin etcd) && KUBE_APISERVER_BIN=$$(scripts/kubernetes-bin kube-apiserver) && \
	VAULT_SECRETS_OPERATOR_BIN=$$(scripts/kubernetes-bin vault-secrets-operator) && \
	EXTERNAL_SECRETS_BIN=$$(scripts/kubernetes-bin external-secrets) && \
	VAULT_SECRETS_OPERATOR_CRDS=$$(scripts/kubernetes-bin vault-secrets-operator-crds) && \
	EXTERNAL_SECRETS_CRDS=$$(scripts/kubernetes-bin external-secrets-crds) && \
	export ETCD_BIN KUBE_APISERVER_BIN VAULT_SECRETS_OPERATOR_BIN EXTERNAL_SECRETS_BIN VAULT_SECRETS_OPERATOR_CRDS \
		EXTERNAL_SECRETS_CRDS &&

LDFLAGS = -s -w -X github.com/apisig/vault-plugin-apisig/backend.Version=$(VERSION) -X main.version=$(VERSION)
DIST ?= dist
RUN_RELEASE = $(GO) -C tools/release run . $(1) -version $(VERSION) -dist "$(abspath $(DIST))"

.PHONY: help build check test unit fuzz key-search e2e e2e-prometheus e2e-gateways e2e-kubernetes e2e-npm soak bench bench-micro lint demo dev clean
.PHONY: release release-check release-again vuln

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

demo: build ## show the engine in a real Vault
	scripts/demo

dev: build ## start a Vault with the engine and the sandbox, and keep them running
	scripts/demo --stay

# Vault runs every file of its -dev-plugin-dir, so the plugin has a folder of its own.
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o
build: ## build the plugin into bin/plugins/, and the other programs into bin/
	$(BUILD) bin/plugins/ ./cmd/vault-plugin-apisig
	$(BUILD) bin/ ./cmd/apisig-proxy ./cmd/apisig-sandbox

check: ## format, vet and unit tests, in seconds
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')) && [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(UNIT)

lint: ## the linters
	$(GO) vet ./...
	$(GO) -C e2e/verifiers vet
	GOOS=windows $(GO) build ./cmd/apisig-proxy ./client && GOOS=windows $(GO) vet ./cmd/apisig-proxy ./client ./internal/proxy
	$(GO) tool -modfile=tools/lint/go.mod golangci-lint run
	cd tools/release && $(GO) tool -modfile=../lint/go.mod golangci-lint run
	$(GO) tool -modfile=tools/actionlint/go.mod actionlint
	deps=$$($(GO) list -deps ./internal/...) && ! echo "$$deps" | grep hashicorp/vault/

test: unit e2e ## every test
	$(MAKE) fuzz FUZZTIME=2000x

unit: ## the unit tests, with the race detector where it runs
	$(UNIT) $(RACE)
	$(GO) test -run '^$$' -bench . -benchtime 1x ./internal/pave ./internal/avanan ./internal/scheme ./backend

FUZZTIME ?= 1m
fuzz: ## each fuzz target for FUZZTIME, a minute by default
	set -e; for package in $$($(GO) list ./backend/... ./internal/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

KEY_SEARCH ?= 250000
key-search: ## whether a random declared scheme gives a key away, in KEY_SEARCH that are accepted; some minutes
	KEY_SEARCH=$(KEY_SEARCH) $(GO) test -count=1 -timeout 60m -v -run '^TestNoSchemeGivesAKeyAway$$' ./internal/scheme

e2e: ## the built plugin in a real Vault; with SERVER=openbao in OpenBao
	$(VAULT) $(GO) test -count=1 -timeout 15m ./e2e/...
	$(VAULT) $(GO) -C e2e/verifiers test -count=1 -timeout 5m

e2e-prometheus: ## the examples of monitoring, with a real Prometheus
	$(VAULT) $(PROMETHEUS) $(GO) test -count=1 -timeout 15m ./e2e/prometheus

e2e-gateways: ## apisig-proxy behind a real nginx and a real Caddy, each skipped where it cannot be had
	$(VAULT) $(NGINX) $(CADDY) $(GO) test -count=1 -timeout 15m -v ./e2e/gateways

e2e-kubernetes: ## the examples for Kubernetes, with a real API server and the operators
	$(VAULT) $(KUBERNETES) $(GO) test -count=1 -timeout 15m -v ./e2e/kubernetes

# Versions of npm's libraries that check signatures.
NPM_LIBRARIES = http-message-signatures@1.0.6 kraken-api@1.0.2
e2e-npm: ## HTTP Message Signatures and Kraken's, with libraries for Node.js; needs npm
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	npm install --prefix "$$folder" --no-package-lock --ignore-scripts --no-audit --no-fund $(NPM_LIBRARIES); \
	$(VAULT) E2E_NPM="$$folder/node_modules" $(GO) -C e2e/verifiers test -count=1 -timeout 5m -v -run '^Test(MessageSignature|Kraken)Library'

SOAK ?= 10m
soak: ## mixed load for SOAK, ten minutes by default, and a fifth of that to warm up; at least four minutes in all
	$(VAULT) SOAK=$(SOAK) $(GO) test -count=1 -timeout 60m -v -run '^(TestSoak|TestTokenIsRenewedWithoutReaders)$$' ./e2e/load

bench: ## benchmark in a real Vault, about sixteen minutes; docs/performance.md explains the output
	$(VAULT) $(NGINX) BENCH=full $(GO) test -count=1 -timeout 60m -parallel 1 -v ./e2e/load \
		-run '^(TestBench|TestProxyBench|TestForwardAuthBench)$$'

bench-micro: ## benchmark inside the plugin
	$(GO) test -run '^$$' -bench . -count 5 ./internal/pave ./internal/avanan ./internal/scheme ./backend

release: ## build a release into dist/, for four platforms
	$(call RUN_RELEASE,build) -source "$(CURDIR)" -ldflags '$(LDFLAGS)'

release-check: ## check the release in dist/, and use it in a real Vault; it is not built again
	$(GO) -C tools/release test ./...
	$(call RUN_RELEASE,check)
	$(VAULT) RELEASE_DIST="$(abspath $(DIST))" RELEASE_VERSION=$(VERSION) $(GO) test -count=1 -timeout 15m ./e2e/release

release-again: ## build the release in dist/ again, in another folder and from nothing, and compare
	scripts/release-again "$(DIST)" $(VERSION)

vuln: ## look for known vulnerabilities, where their database can be reached
	scripts/vuln

clean: ## delete what was built here
	rm -rf bin dist
