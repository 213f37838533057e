# Builds, runs and tests Orch. "make help" lists the targets.

VERSION ?= 0.1.0-dev
BIN     := bin
GO      ?= go
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)"
PLUGINS := $(notdir $(wildcard cmd/plugins/*))

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: host plugins devserver ## build the host, its plugins and the embedded Temporal server into bin/

.PHONY: host
host:
	$(BUILD) -o $(BIN)/host ./cmd/host

.PHONY: plugins
plugins: $(PLUGINS:%=plugin-%) plugin-greeter

.PHONY: $(PLUGINS:%=plugin-%)
$(PLUGINS:%=plugin-%): plugin-%:
	$(BUILD) -o $(BIN)/plugins/$* ./cmd/plugins/$*

.PHONY: plugin-greeter
plugin-greeter:
	cd examples/greeter-go && CGO_ENABLED=0 $(GO) build -trimpath -o ../../$(BIN)/plugins/greeter .

.PHONY: devserver
devserver: ## build the embedded Temporal server (a few minutes the first time)
	cd devserver && CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o ../$(BIN)/devserver .

.PHONY: run
run: build ## build everything and run the first service on the embedded Temporal
	sh examples/quickstart/run.sh

.PHONY: test
test: build ## run all tests; those that need Docker say so when it is missing
	sh .ci/test.sh

.PHONY: images
images: ## build all images: stand-ins and real components (ten to twenty minutes the first time)
	$(MAKE) -C images

.PHONY: infra
infra: host ## build Temporal, its Web UI and PostgreSQL into images, and bring them up by compose
	$(MAKE) -C images infra
	$(BIN)/host infra up

.PHONY: compose-v2
compose-v2: ## build docker compose v2 for the tests of the stack, beside docker-compose 1.29
	cd tools/compose && CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=v2" -o ../../$(BIN)/tools/docker/cli-plugins/docker-compose github.com/docker/compose/v2/cmd

.PHONY: host-image
host-image: build ## build the host and its plugins into the image orch/host:dev
	$(MAKE) -C images host

.PHONY: lint
lint: ## gofmt, vet, staticcheck, import rules
	sh .ci/lint.sh

.PHONY: generate
generate: ## generate the wire code (needs protoc) and the configuration reference
	$(GO) generate ./...
	$(GO) test ./config -run Reference -update

.PHONY: bench bench-plugin bench-swap bench-pipelines bench-ship bench-cluster
bench: bench-plugin bench-swap bench-pipelines bench-ship bench-cluster ## measure against the alternatives and write bench/results.json
bench-plugin: build
	$(GO) run ./bench/plugin
bench-swap: build
	$(GO) run ./bench/swap
bench-pipelines: build
	$(MAKE) -C images standins components
	$(GO) run ./bench/pipelines
bench-ship:
	cd images/otelcol && CGO_ENABLED=0 $(GO) build -mod=mod -trimpath -o ../../$(BIN)/otelcol .
	$(GO) run ./bench/ship -collector $(BIN)/otelcol
bench-cluster: build
	$(MAKE) -C images infra
	$(GO) run ./bench/cluster

PREFIX ?= /usr/local
.PHONY: install
install: build ## install the host, its plugins and a systemd unit below PREFIX (DESTDIR for packagers)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/orch/plugins $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(BIN)/host $(DESTDIR)$(PREFIX)/bin/host
	install -m 755 $(BIN)/devserver $(DESTDIR)$(PREFIX)/bin/devserver
	install -m 755 $(PLUGINS:%=$(BIN)/plugins/%) $(DESTDIR)$(PREFIX)/lib/orch/plugins/
	sed 's#@PREFIX@#$(PREFIX)#g' cmd/host/orch.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/orch.service
	@echo "next: docs/operations.md says how to make the user, the configuration and the lock file"

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
