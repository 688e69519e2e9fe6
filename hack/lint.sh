#!/bin/sh
# What is checked without running a spec.
set -eu
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l e2e harness katas kind solutions)
if [ -n "$unformatted" ]; then
	printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted"
	exit 1
fi
go vet ./...
GOOS=darwin go vet ./...
go mod tidy -diff
(cd harness/controlplane && go mod tidy -diff)
(cd harness/controlplane/kwok && go mod tidy -diff)
go tool kata generate --check
go tool kata check
go tool actionlint .github/workflows/*.yml
if command -v golangci-lint >/dev/null 2>&1; then
	golangci-lint run ./...
else
	echo "golangci-lint is not installed: its part of the lint was left out"
fi
