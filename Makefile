# The workbook's public interface. Every recipe is one call of `go tool kata`, which `go tool kata help` describes.
SHELL := /bin/sh
.DEFAULT_GOAL := help

KATA_CLI := go tool kata
# STAGE=2 and KATA=workqueue become flags where they are set.
SELECT = $(if $(STAGE),--stage='$(STAGE)') $(if $(KATA),--kata='$(KATA)')
FLAGS = $(if $(filter 1 true yes,$(JSON)),--json)

##@ Learn
.PHONY: kata watch list progress hint compare reset run
kata: ## Run your code against the specs: make kata STAGE=1 [KATA=clientset] [RACE=1]
	@$(KATA_CLI) run $(SELECT) $(FLAGS) $(if $(filter 1 true yes,$(RACE)),--race) $(if $(JUNIT),--junit='$(JUNIT)')
watch: ## The same on every save, with keys for hints and more: make watch STAGE=2 [KATA=workqueue]
	@$(KATA_CLI) watch $(SELECT) $(if $(filter 1 true yes,$(RACE)),--race)
list: ## List the katas and their state
	@$(KATA_CLI) list $(SELECT) $(FLAGS)
progress: ## Show the score
	@$(KATA_CLI) progress
hint: ## The next hint: make hint KATA=clientset
	@$(KATA_CLI) hint $(SELECT)
compare: ## Your code against the reference: make compare KATA=clientset [FORCE=1] [STAT=1]
	@$(KATA_CLI) compare $(SELECT) $(if $(filter 1 true yes,$(FORCE)),--force) $(if $(filter 1 true yes,$(STAT)),--stat)
reset: ## Back to the stub; your file is kept: make reset KATA=clientset
	@$(KATA_CLI) reset $(SELECT)
run: ## Run a kata's program against the lab: make run KATA=clientset [ARGS='-n demo']
	@$(KATA_CLI) exec $(SELECT) -- $(ARGS)

##@ Control plane
.PHONY: setup doctor lab lab-down lab-status kubectl
setup: ## Build the control plane, once: make setup [STAGE=1]
	@$(KATA_CLI) setup $(SELECT)
doctor: ## Say what is missing on this machine, and the command that mends it
	@$(KATA_CLI) doctor $(FLAGS)
lab: ## Start the lab: a cluster with scheduler, controllers and simulated nodes
	@$(KATA_CLI) lab up
lab-down: ## Stop the lab; no process stays behind
	@$(KATA_CLI) lab down
lab-status: ## Say whether the lab runs, and how
	@$(KATA_CLI) lab status
kubectl: ## kubectl on the lab: make kubectl ARGS='get pods -A'
	@$(KATA_CLI) kubectl -- $(ARGS)

##@ Write katas
.PHONY: generate verify mutants e2e lint unit test bench
generate: ## Write the stubs from the solutions
	@$(KATA_CLI) generate $(SELECT)
verify: ## Every stub is red for the right reason, every solution green: make verify [ROUNDS=50]
	@$(KATA_CLI) verify $(SELECT) $(FLAGS) $(if $(filter 1 true yes,$(RACE)),--race) $(if $(ROUNDS),--rounds=$(ROUNDS))
mutants: ## The specs catch every wrong solution: make mutants [FULL=1]
	@$(KATA_CLI) mutants $(SELECT) $(FLAGS) $(if $(filter 1 true yes,$(FULL)),--full)
e2e: ## Journeys of programs that run for themselves: make e2e [PROVIDER=kind] [CODE=katas] [ARGS='-run=TestBaremetal']
	@PROVIDER='$(PROVIDER)' CODE='$(CODE)' go test -count=1 -timeout=20m -v ./e2e $(ARGS)
lint: ## go vet, the katas' own rules, golangci-lint where it is installed
	@hack/lint.sh
unit: ## Unit tests of the harness and the CLI
	@go test ./harness/...
test: ## The whole gate: lint, unit tests, verify, journeys, mutants
	@hack/test.sh
bench: ## Measure the loop; the figures of README's "How fast"
	@go run ./harness/cmd/bench

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
