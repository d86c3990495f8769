#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A step for MM CI (https://github.com/linux-mm/mm-ci): what the pull request's series does to zswap, base against patched.
#
# Called as the other steps are: bash .github/scripts/run-zswap-tests.sh, with LINUX_DIR set where the tree is not two folders
# up. ARGUMENT, where given, is a range A..B of that tree instead of the pull request's commits. Needs orchestrator on PATH
# (docs/ci.md), neither root nor KVM nor vng. ZSWAP_CI_OUT is where reports go, ZSWAP_CI_OPTIONS what orchestrator test is told.
#
# KTAP on standard output, all else on standard error; JUnit, HTML and the record lie in ZSWAP_CI_OUT.
# Exit status: ci-run's; and 4, kselftest's SKIP, where there is no series to test.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
linux=${LINUX_DIR:-$here/../..}
out=${ZSWAP_CI_OUT:-$linux/zswap-results}
series=${1:-change-request}
read -ra options <<<"${ZSWAP_CI_OPTIONS:---profile quick}"

# Installed beside orchestrator; beside this script in a clone.
ci_run=$(command -v orchestrator-ci-run || echo "$here/../ci-run")

if [ "$series" = change-request ] && [ "${GITHUB_EVENT_NAME:-}" != pull_request ]; then
	printf 'KTAP version 1\n1..0 # SKIP no series: this job runs for no pull request\n'
	exit 4
fi

exec "$ci_run" --ktap --linux "$linux" --out "$out" "$series" -- "${options[@]}"
