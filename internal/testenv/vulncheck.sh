#!/bin/sh
# Runs govulncheck, given as the arguments. A vulnerability fails. A database
# that cannot be reached does not: it says so, as nothing was checked.
out=$("$@" ./... 2>&1)
status=$?
if [ $status -ne 0 ] && printf '%s' "$out" | grep -qE 'vuln\.go\.dev|fetching vulnerabilities|no such host|connection refused'; then
	if ! printf '%s' "$out" | grep -q 'Vulnerability #'; then
		echo "govulncheck DID NOT RUN: its database cannot be reached from here. Nothing was checked for known vulnerabilities." >&2
		exit 0
	fi
fi
printf '%s\n' "$out"
exit $status
