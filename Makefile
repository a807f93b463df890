# The targets that people type. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash
PY := .venv/bin/python
PORT ?= 8000
COMMIT ?= main~1
# Byte code is written whatever the environment says, else every process compiles all of Ray anew. Empty is off.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## set up, fetch the models and start the playground on http://127.0.0.1:8000 (PORT=... to change)
	@hack/setup app
	@exec .venv/bin/ttsp serve --port $(PORT)

.PHONY: setup
setup: ## set up alone: .venv, system packages, models
	@hack/setup dev
	@.venv/bin/ttsp models fetch --all

.PHONY: test
test: setup ## run every test tier, set-up and linters included
	@$(PY) hack/tiers

.PHONY: test-all
test-all: setup ## the same with every trial and with coverage (hours); writes docs/development.md
	@$(PY) hack/tiers --all

.PHONY: lint
lint: ## ruff, mypy, import-linter, and whether crds/ and the dashboards are as what makes them
	@hack/setup dev
	@$(PY) hack/tiers lint

.PHONY: test-unit
test-unit: setup ## pure tests, and tests with the real models in one process and a real PostgreSQL
	@$(PY) hack/tiers unit

.PHONY: test-app
test-app: setup ## tests against the playground on a real Ray Serve, and of batches on a Ray
	@$(PY) hack/tiers app batch

.PHONY: test-engines
test-engines: ## each speech engine of torch against its real package, in an environment of its own (gigabytes, once)
	@hack/setup dev
	@$(PY) hack/engines

.PHONY: test-operator
test-operator: ## tests against a real Kubernetes API server and KubeRay (the first run builds them, 15 minutes)
	@hack/setup dev
	@$(PY) hack/tiers programs operator

.PHONY: e2e
e2e: setup ## tests on a real Kubernetes that runs pods: on this machine (root) or, with KIND=1, on kind (Docker)
	@$(PY) hack/tiers programs images node e2e

.PHONY: e2e-torch
e2e-torch: setup ## a pod of an engine in torch speaks on that Kubernetes: builds its image (7 GB); in no other target
	@$(PY) hack/tiers programs images
	@$(PY) hack/images kokoro-torch
	@$(PY) -m pytest tests/e2e/test_torch.py

.PHONY: images
images: ## build the container images that changed, into the cache (Docker, or root, Buildah and Skopeo)
	@hack/setup dev
	@$(PY) hack/images

.PHONY: cluster-up
cluster-up: ## start a real Kubernetes with KubeRay on this machine (root; the first time builds it, 20 minutes)
	@hack/setup app
	@hack/setup go
	@$(PY) hack/cluster up

.PHONY: cluster-demo
cluster-demo: ## a pod of that cluster speaks into hello.mp3: images, chart, sample; each command is shown
	@hack/setup app
	@hack/setup go
	@$(PY) hack/cluster demo

.PHONY: cluster-down
cluster-down: ## end it; nothing of it stays but its images
	@$(PY) hack/cluster down

.PHONY: bench
bench: setup ## measure speed beside kokoro-onnx; writes docs/benchmarks.md
	$(PY) tests/bench/speech.py

.PHONY: bench-operator
bench-operator: ## measure the operator beside KubeRay's, on a real API server; writes docs/benchmarks-operator.md
	@hack/setup dev
	$(PY) hack/cluster build control-plane
	$(PY) tests/bench/reconcile.py

.PHONY: bench-batch
bench-batch: setup ## measure batches: scale, speed beside the engine's limit, and who waits; writes docs/benchmarks-batch.md
	$(PY) tests/bench/batch.py

.PHONY: bench-text
bench-text: setup ## measure text through HTTP beside the bare engine, and thousands of streams; writes docs/benchmarks-text.md
	$(PY) tests/bench/text.py

.PHONY: bench-door
bench-door: setup ## attack the listener, and measure what others wait; writes docs/benchmarks-door.md
	$(PY) tests/bench/door.py

.PHONY: bench-commits
bench-commits: setup ## compare this checkout's speed with COMMIT's (COMMIT=main~1); writes docs/benchmarks-commits.md
	$(PY) tests/bench/commits.py --commit $(COMMIT)

.PHONY: bench-audit
bench-audit: setup ## measure what the audit costs a request; writes docs/benchmarks-audit.md
	$(PY) tests/bench/audit_cost.py

.PHONY: bench-tracing
bench-tracing: setup ## measure what traces cost a request; writes docs/benchmarks-tracing.md
	$(PY) tests/bench/tracing.py

.PHONY: bench-batching
bench-batching: setup ## measure what batches of many callers' segments bring; writes docs/benchmarks-batching.md
	$(PY) tests/bench/batching.py

.PHONY: bench-planning
bench-planning: setup ## measure what reading a text costs that is made to be slow to read; writes docs/benchmarks-planning.md
	$(PY) tests/bench/planning.py

.PHONY: bench-reading
bench-reading: setup ## compare how texts are read with a peer's pairs (PAIRS=FOLDER); writes into docs/reading.md
	$(PY) tests/bench/reading.py $(PAIRS)

.PHONY: bench-front-end
bench-front-end: setup ## measure the front-ends' CPU time beside Kokoro's; writes docs/benchmarks-front-end.md
	$(PY) tests/bench/front_end_cost.py

.PHONY: bench-posts
bench-posts: setup ## render all 1,800 files of the sample job and examine them (hours; goes on where it was); writes docs/benchmarks-posts.md
	$(PY) tests/bench/whole_set.py

.PHONY: quality
quality: setup ## measure every avatar with a recogniser; writes docs/quality.md
	$(PY) tests/quality/measure.py

.PHONY: crds
crds: ## write crds/ from the types in app/tts_app/resources
	@hack/setup dev
	$(PY) hack/generate-crds

.PHONY: rules
rules: ## write the Prometheus rules of the objectives in hack/slos
	@hack/setup dev
	$(PY) hack/slos

.PHONY: dashboards
dashboards: ## write the dashboards of Grafana into the chart, from hack/dashboards and the package of Ray
	@hack/setup dev
	$(PY) hack/dashboards

.PHONY: requirements
requirements: ## pin the dependencies of pyproject.toml again
	hack/compile-requirements

.PHONY: clean
clean: ## remove .venv and what the tools left; models stay in their cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .tiers
