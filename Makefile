# Work on OpenLeash, and its releases. `make` lists the targets.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The time of the commit, so that a release is the same whoever builds it, and when.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export CGO_ENABLED = 0

DIST      := dist
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# No paths of this machine, no build id, time zones inside: the same bytes everywhere, that run anywhere.
FLAGS     := -trimpath -buildvcs=false -tags timetzdata -ldflags "-s -w -buildid= -X main.release=$(VERSION)"

.PHONY: help build demo test check release reproduce image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./openleash for this machine
	go build $(FLAGS) -o openleash ./cmd/openleash

demo: ## show everything, step by step
	go run ./cmd/openleash demo

test: ## run every test that this machine can run
	CGO_ENABLED=1 go test ./...

check: ## run all checks of CI
	.ci/run

release: clean ## build all platforms into dist/, with checksums, SBOMs, man pages and completions
	@mkdir -p $(DIST)
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; suffix=; [ $$os = windows ] && suffix=.exe; \
		name=openleash_$(VERSION)_$${os}_$${arch}; echo $$name; \
		GOOS=$$os GOARCH=$$arch go build $(FLAGS) -o $(DIST)/$$name$$suffix ./cmd/openleash; \
		go run ./packaging/sbom $(DIST)/$$name$$suffix > $(DIST)/$$name.cdx.json; \
	done
	@go run $(FLAGS) ./cmd/openleash man $(DIST)/man
	@for shell in bash zsh fish powershell; do go run $(FLAGS) ./cmd/openleash completion $$shell > $(DIST)/completion.$$shell; done
	@cd $(DIST) && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | sed 's|^\./||' | xargs sha256sum > SHA256SUMS
	@echo "dist/SHA256SUMS covers $$(wc -l < $(DIST)/SHA256SUMS) files"

reproduce: ## build the release again, in another folder and without a cache, and compare
	$(MAKE) release
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
		git archive HEAD | tar -x -C "$$copy"; \
		GOCACHE="$$copy/.cache" $(MAKE) -C "$$copy" release VERSION=$(VERSION) PLATFORMS="$(PLATFORMS)"; \
		cmp $(DIST)/SHA256SUMS "$$copy/$(DIST)/SHA256SUMS"; \
		echo "both builds are the same, byte for byte"

image: ## build the container image openleash:$(VERSION)
	docker build --build-arg VERSION=$(VERSION) -t openleash:$(VERSION) .

clean: ## remove what was built
	rm -rf $(DIST) openleash
