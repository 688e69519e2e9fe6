#!/bin/sh
# The whole gate, on a machine with only Go, git and make. Every step says how long it took; the first that fails ends it.
set -eu
cd "$(dirname "$0")/.."

step() {
	name=$1
	shift
	printf '\n== %s\n' "$name"
	begun=$(date +%s)
	"$@"
	printf '== %s: %s s\n' "$name" "$(($(date +%s) - begun))"
}

# The lab that this run starts is ended with it; one that was up before stays.
started_lab=no
finish() {
	code=$?
	if [ "$started_lab" = yes ]; then
		go tool kata lab down
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

step "control plane" go tool kata setup
go tool kata lab status >/dev/null 2>&1 || started_lab=yes
step "lint" hack/lint.sh
step "unit tests" go test ./harness/...
step "verify, each suite with an API server of its own" env KUBEKATA_API=envtest go tool kata verify
step "lab" go tool kata lab up
step "verify on the lab" env KUBEKATA_API=lab go tool kata verify
step "journeys on the lab" go test -count=1 -timeout=20m ./e2e/...
step "mutants on the lab" env KUBEKATA_API=lab go tool kata mutants
