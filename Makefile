# Bare `make` prints what there is to do. Needs Go and git; `deps` and `tools` fetch the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # the steps of `test` are in order; each uses every processor by itself
MAKEFLAGS += --no-builtin-rules

# Programs built once and shared by all clones: Consul (by deps) and the development tools (by tools).
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/meridian
BIN   := $(CACHE)/bin
# Folders whose go.mod pins tools, each by itself so that the requirements of one do not choose the versions of others.
TOOL_MODULES := $(wildcard $(patsubst %,tools/%,compose grpcurl kubernetes prometheus release terraform))
export PATH := $(BIN):$(PATH)

# The servers of a Kubernetes control plane, which only kube-check needs.
CONTROL_PLANE := $(patsubst %,tools/controlplane/%,etcd kubernetes kwok)

# Commit and version are stamped by the linker, because GOFLAGS may turn Go's own stamping off, and because that
# stamping fails where git distrusts the folder's owner.
COMMIT  = $(shell git -c safe.directory='*' describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)
VERSION = $(shell git -c safe.directory='*' describe --tags --exact-match 2>/dev/null)
STAMP   = github.com/meridian-commerce/meridian/internal/version
LDFLAGS = -X $(STAMP).Commit=$(COMMIT) -X $(STAMP).Version=$(VERSION)

ARGS     ?=
SEED     ?= 1
OUT      ?= out
PKG      ?= ./...
FUZZTIME ?= 10s
FROM     ?= HEAD~1
RUNS     ?= 10

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: ARGS (more flags for sim, drill, load), SEED and OUT (drill), PKG (bench, unit, stress), RUNS (stress), FUZZTIME, STAGE and PLANT (kube-check), AGAINST (breaking, size), FROM (upgrade-drill)"

##
## Run
##

.PHONY: sim
sim: deps build ## Start three regions on this machine; Ctrl-C stops them
	bin/meridian-sim up $(ARGS)

.PHONY: drill
drill: deps build ## Kill a region under load, then check that nothing was lost
	bin/meridian-sim drill kill-region --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: failover-matrix
failover-matrix: deps build ## Break a region in every way, measure how soon callers are served again
	bin/meridian-sim drill failover-matrix --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: overload
overload: deps build ## Ask a region for ten times what it can do
	bin/meridian-sim drill overload --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: attack-drill
attack-drill: deps build ## Send an edge what no stack can be sent, and a flood, beside shoppers
	bin/meridian-sim drill attack --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: backup-drill
backup-drill: deps build ## Lose the database twice under load, restore it, check what was acknowledged
	bin/meridian-sim drill backup-restore --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: upgrade-drill
upgrade-drill: deps build ## Replace the release FROM by this one under load and go back, without a failed request
	bin/meridian-sim drill rolling-upgrade --from $(FROM) --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: key-drill
key-drill: deps build ## Replace the key that signs access tokens under load, without a request refused for its token
	bin/meridian-sim drill key-rotation --seed $(SEED) --out $(OUT) $(ARGS)

.PHONY: mutants
mutants: deps build ## Plant one mistake after the other and see each noticed; ARGS=--plant=NAME is one, --rotate=N some
	bin/meridian-sim mutants --out $(OUT)/mutants $(ARGS)

.PHONY: load
load: build ## Put load on the running simulation
	bin/meridian-sim load $(ARGS)

.PHONY: build
build: ## Build bin/meridian and bin/meridian-sim
	@mkdir -p bin
	go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./cmd/meridian ./cmd/meridian-sim

.PHONY: image
image: ## Build the images of docker-compose.multiregion.yml; ARGS replaces --load, as --push --sbom=true does
	SOURCE_DATE_EPOCH=$$(git -c safe.directory='*' log -1 --format=%ct) docker buildx build --file deploy/docker/Dockerfile \
	  --build-arg COMMIT='$(COMMIT)' --build-arg VERSION='$(VERSION)' --tag meridian:dev $(or $(ARGS),--load) .
	docker buildx build --tag meridian-wan:dev $(or $(ARGS),--load) deploy/docker/wan

##
## Check
##

.PHONY: test
test: deps-tests tools fresh vet lint buf-lint unit ## Check everything, as continuous integration does
	@echo "==> test: all clean"

.PHONY: fresh
fresh: tools ## Check that generated files are what their sources generate
	@echo "==> fresh: generated files"
	TOOLS_BIN='$(BIN)' go test -count=1 -run '^TestGenerated' ./internal/tidy ./internal/deploy/render ./internal/sim/cliref

.PHONY: vet
vet: ## Run go vet
	@echo "==> vet"
	go vet ./...

.PHONY: lint
lint: tools ## Run golangci-lint
	@echo "==> lint: golangci-lint"
	golangci-lint run --allow-serial-runners ./...

.PHONY: buf-lint
buf-lint: tools ## Lint the protobuf files and check their layout
	@echo "==> buf-lint"
	cd api && buf lint && buf format --diff --exit-code

.PHONY: breaking
breaking: tools ## Check that the API still serves callers built from AGAINST, or origin/main
	cd api && buf breaking --against '../.git#ref=$(or $(AGAINST),origin/main),subdir=api'

.PHONY: unit
unit: ## Run every Go test under the race detector
	@echo "==> unit: go test -race $(PKG)"
	TOOLS_BIN='$(BIN)' MERIDIAN_REQUIRE_SERVERS=1 CGO_ENABLED=1 go test -race -timeout 20m $(PKG)
	go test -C tools/size ./...

.PHONY: stress
stress: deps-tests tools ## Run every Go test RUNS times beside busy processors; logs go to OUT
	@TOOLS_BIN='$(BIN)' MERIDIAN_REQUIRE_SERVERS=1 CGO_ENABLED=1 tools/stress '$(RUNS)' '$(OUT)/stress' $(PKG)

.PHONY: sql
sql: deps ## Write every statement that can reach CockroachDB to OUT/cockroachdb.sql, with where it is from
	@MERIDIAN_REQUIRE_SERVERS=1 tools/sql '$(OUT)/cockroachdb.sql'

.PHONY: validate
validate: tools ## Check everything that deploys, as far as it goes without a cloud; `test` does it too
	@echo "==> validate"
	TOOLS_BIN='$(BIN)' go test -count=1 ./internal/deploy/...

.PHONY: compose-check
compose-check: tools ## Check the Compose files with Compose's own library, against the catalog and the product
	@echo "==> compose-check"
	TOOLS_BIN='$(BIN)' go test -count=1 ./internal/deploy/compose

.PHONY: kube-check
kube-check: ## Apply everything to a real Kubernetes control plane whose nodes are played; STAGE=api or pods, PLANT=NAME or all
	@tools/install '$(BIN)' $(CONTROL_PLANE)
	@echo "==> kube-check"
	TOOLS_BIN='$(BIN)' KUBE_STAGE='$(if $(PLANT),,$(or $(STAGE),all))' KUBE_PLANT='$(PLANT)' \
	  go test -count=1 -v -timeout 90m -run '^Test(API|Pods|Plants)$$' ./internal/deploy/kubernetes/kubecheck

.PHONY: release-check
release-check: tools ## Check what builds a release: GoReleaser's configuration and the images' Dockerfiles
	@echo "==> release-check"
	TOOLS_BIN='$(BIN)' go test -count=1 ./internal/deploy/release

.PHONY: size
size: ## Count the product's Go lines by folder; with AGAINST, a commit, what changed since
	@former=$$(mktemp -d); trap 'rm -rf "$$former"' EXIT; \
	if [ -n '$(AGAINST)' ]; then git -c safe.directory='*' archive --output="$$former/tar" '$(AGAINST)' && tar -x -f "$$former/tar" -C "$$former" || exit; fi; \
	go run -C tools/size . "$(CURDIR)" $(if $(AGAINST),"$$former")

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r dir; do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$dir"/*_test.go); do \
	    echo "==> fuzz: $$dir $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir" || exit 1; \
	  done; \
	done

.PHONY: bench
bench: ## Run the benchmarks of PKG
	go test -run '^$$' -bench . -benchmem $(PKG)

.PHONY: bench-cache
bench-cache: deps ## Measure the regional cache: stampedes, a lost Redis, changes between regions
	MERIDIAN_REQUIRE_SERVERS=1 go test -count=1 -timeout 90s -run '^$$' -bench '^BenchmarkRegion$$' -benchtime 1x ./internal/cache

.PHONY: bench-watch
bench-watch: deps ## Count the statements that watched orders cost, with 1 to 10,000 watchers and without Redis
	MERIDIAN_REQUIRE_SERVERS=1 go test -count=1 -timeout 10m -run '^$$' -bench '^BenchmarkWatch$$' -benchtime 1x ./internal/order/orderredis

.PHONY: bench-import
bench-import: deps ## Measure imports of 100,000 rows of every kind of product, beside plain ones; takes some minutes
	MERIDIAN_REQUIRE_SERVERS=1 go test -count=1 -timeout 30m -run '^$$' -bench '^BenchmarkImport$$' -benchtime 1x ./internal/catalog/catalogsql

.PHONY: bench-edge
bench-edge: build ## Compare the edge with nginx, HAProxy and Caddy; the table goes to docs/performance.md
	@tools/bench-edge
	PATH="$$PATH:/usr/sbin" go run ./internal/edge/edgebench -document docs/performance.md $(ARGS)
	@echo "The edge's client toward stacks beside a tuned http.Transport (cpu-ns/op, what the stack costs in both):"
	go test -run '^$$' -bench '^BenchmarkClients$$' -count 3 ./internal/edge/wire

.PHONY: pgo
pgo: ## Write the profile of the edge from which builds of cmd/meridian learn what runs often
	rm -f cmd/meridian/default.pgo
	go test -run '^$$' -bench '^BenchmarkPort$$' -benchtime 15s -cpuprofile cmd/meridian/default.pgo -o /dev/null ./internal/edge

.PHONY: bench-capacity
bench-capacity: deps build ## Measure what requests cost, for `meridian plan`; the pages that show plans follow
	bin/meridian-sim bench --out internal/capacity/measured.json $(ARGS)
	go run ./internal/sim/cliref

##
## Change
##

.PHONY: generate
generate: tools ## Regenerate api/gen, deployment files, and what the documentation shows of commands
	cd api && buf generate
	go run ./internal/deploy/render
	go run ./internal/sim/cliref

.PHONY: fmt
fmt: tools ## Format Go and protobuf files
	golangci-lint fmt
	cd api && buf format --write

.PHONY: tidy
tidy: ## Tidy go.mod and tools/go.mod
	go mod tidy
	cd tools && go mod tidy

##
## Prepare
##

.PHONY: deps
deps: ## Install what the simulation and the tests run: PostgreSQL, Redis, Consul
	@echo "==> deps"
	@tools/prepare

.PHONY: deps-tests
deps-tests: ## Install the same, what the race detector needs, and shellcheck
	@echo "==> deps-tests"
	@tools/prepare tests

.PHONY: geoip
geoip: ## Fetch a country database into the cache
	@echo "==> geoip"
	@tools/geoip

.PHONY: tools
tools: ## Build the pinned development tools into the cache
	@tools/install '$(BIN)' tools $(TOOL_MODULES)

.PHONY: clean
clean: ## Remove bin and out; the cache stays
	rm -rf bin out
