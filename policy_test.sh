#!/usr/bin/env bash
# Runs every check and every test: the policies with a stock opa, the Go code,
# the proofs against a real user manager, and whole machines with containers.
# What cannot run here is skipped with its reason, and counted as skipped.
#
# Root file systems with other versions of systemd and podman are made in
# STACKPOLICY_LAB_CACHE (/var/tmp/stackpolicy-lab) by the first run, in a minute
# or two. STACKPOLICY_LAB_ROOT may name another one for the proofs; make it with:
# go run ./lab/root SUITE DIR
# Proofs that hardly depend on the version of systemd run on one, and scenarios that
# hardly depend on that of podman on one Debian; with STACKPOLICY_LAB_EACH=1 all run on
# each, which takes twice as long. Without it, what has not begun after 14 minutes of
# tests is skipped and counted, so that it ends on a slow machine, too. With
# STACKPOLICY_FUZZ=10s each fuzz target runs for ten seconds afterwards, if the tests took
# less than 15 minutes.
set -euo pipefail
cd "$(dirname "$0")"

coverage=98 # percent of the rules' lines, at least
# The flags of the packages, so that everything is compiled only once.
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -trimpath"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '== %s\n' "$*"; }

step "policies: opa fmt, check --strict, test"
opa=$work/opa
go build -o "$opa" github.com/open-policy-agent/opa
unformatted=$("$opa" fmt --list policies)
[ -z "$unformatted" ] || { echo "not formatted; run opa fmt -w on: $unformatted" >&2; exit 1; }
"$opa" check --strict policies
"$opa" check --strict --schema schemas/v1 policies
"$opa" test --threshold "$coverage" policies >"$work/coverage" || { "$opa" test policies; tail -5 "$work/coverage"; exit 1; } >&2

step "policies: a copy, and a layer, merged, with a stock opa"
mkdir "$work/layer"
printf 'settings:\n  restart: ["*"]\n' >"$work/layer/settings.yaml"
go run ./cmd/stackpolicy policy new mine --policy "$work/layer"
go run ./cmd/stackpolicy policy new loaded_is_current --policy "$work/layer"
go run ./cmd/stackpolicy policy copy --merged --policy "$work/layer" "$work/merged"
go run ./cmd/stackpolicy policy copy "$work/copy"
for folder in merged copy; do
	unformatted=$("$opa" fmt --list "$work/$folder")
	[ -z "$unformatted" ] || { echo "not formatted: $unformatted" >&2; exit 1; }
	"$opa" check --strict --schema schemas/v1 "$work/$folder"
	"$opa" test "$work/$folder"
done

step "go: gofmt, mod, vet"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "not formatted; run gofmt -w on: $unformatted" >&2; exit 1; }
{ go mod verify >/dev/null && go mod tidy -diff; } & # they wait for the network, and vet for the compiler
modules=$!
go vet ./...
wait "$modules"

step "policies: stackpolicy policy check, test"
go build -o "$work/stackpolicy" ./cmd/stackpolicy
"$work/stackpolicy" policy check --policy policies
"$work/stackpolicy" policy test --policy policies --coverage "$coverage"

step "go test ./..."
status=0
[ "${STACKPOLICY_LAB_EACH:-}" = 1 ] || export STACKPOLICY_LAB_UNTIL=$(($(date +%s) + 840))
# What takes longest is first, so that nothing long is left alone at the end.
go test -vet=off -count=1 -timeout 23m -v ./lab/proof ./lab/matrix ./packaging ./cmd/stackpolicy ./stack ./... >"$work/log" 2>&1 || status=$?
grep -E '^(ok|FAIL|panic|#)' "$work/log" || true
grep -B1 -E '^ *--- SKIP' "$work/log" | sed -E 's/^ +//; /^--$/d' || true # with the reason before it
tally() { grep -cE "^ *--- $1" "$work/log" || true; }
if [ "$status" -ne 0 ]; then
	# The output of the failed tests, from the whole log.
	awk 'NR == FNR { if ($1 == "---" && $2 == "FAIL:") failed[$3]; next }
		$1 == "===" { now = $3 }
		now in failed || /^(panic|#|FAIL)/' "$work/log" "$work/log" | tail -500 >&2
fi
left_out=0 fuzz_failed=0
if [ -n "${STACKPOLICY_FUZZ:-}" ]; then
	step "fuzz: every target for $STACKPOLICY_FUZZ"
	if [ "$SECONDS" -lt 900 ]; then
		go run ./lab/fuzz -time "$STACKPOLICY_FUZZ" || status=1 fuzz_failed=1
	else
		left_out=1
		echo "SKIPPED: the tests took ${SECONDS} s, and there is no time left for it; run go run ./lab/fuzz"
	fi
fi
printf '%d passed, %d failed, %d skipped\n' "$(tally PASS)" "$(($(tally FAIL) + fuzz_failed))" "$(($(tally SKIP) + left_out))"
exit "$status"
