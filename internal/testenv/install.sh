#!/bin/sh
# Installs the servers that the tests talk to, from Debian's or Ubuntu's
# packages, as root or with sudo. What cannot be installed is named; its tests
# then say that they did not run, or fail when CI=true.

# SCIM's suites, from PyPI, into a virtual environment whose name is that of what
# is in it: internal/testenv/scimsuites.go finds it there.
suites() {
	wanted="$(dirname "$0")/scimsuites/requirements.txt"
	parent="${XDG_CACHE_HOME:-$HOME/.cache}/behov-testenv/scimsuites"
	venv="$parent/$(sha256sum "$wanted" | cut -c1-16)"
	[ -x "$venv/bin/scim-sanity" ] && return
	echo "make test: installing scim2-tester scim-sanity"
	rm -rf "$venv"
	mkdir -p "$parent"
	# It is renamed in the end, so that what is there is whole; its programs name
	# their interpreter by path, and so the suites are started by that.
	if ! { python3 -m venv "$venv.part" && "$venv.part/bin/pip" install -q --disable-pip-version-check -r "$wanted" && mv "$venv.part" "$venv"; } >&2; then
		rm -rf "$venv.part"
		echo "make test: cannot install scim2-tester and scim-sanity; suites that need them will not run" >&2
	fi
}

servers() {
	missing=""
	command -v slapd >/dev/null 2>&1 || [ -x /usr/sbin/slapd ] || missing="$missing slapd"
	command -v ldapsearch >/dev/null 2>&1 || missing="$missing ldap-utils"
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
	command -v node >/dev/null 2>&1 || missing="$missing nodejs"
	command -v npm >/dev/null 2>&1 || missing="$missing npm"
	command -v samba >/dev/null 2>&1 || [ -x /usr/sbin/samba ] || missing="$missing samba samba-ad-provision samba-dsdb-modules winbind"
	# Provisioning a domain needs it, and samba only recommends it.
	ls /usr/lib/*/samba/vfs/acl_xattr.so >/dev/null 2>&1 || missing="$missing samba-vfs-modules"
	python3 -c 'import ensurepip' >/dev/null 2>&1 || missing="$missing python3 python3-venv"
	command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
	[ -z "$missing" ] && return
	sudo=""
	if [ "$(id -u)" -ne 0 ]; then
		if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
			sudo="sudo -n"
		else
			echo "make test: cannot install$missing (neither root nor sudo without a password); suites that need them will not run" >&2
			return
		fi
	fi
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "make test: no apt-get here; install$missing yourself, or suites that need them will not run" >&2
		return
	fi
	echo "make test: installing$missing"
	# Without the preseed the package starts a directory of its own on port 389.
	echo "slapd slapd/no_configuration boolean true" | $sudo debconf-set-selections
	# Nor are file servers wanted, which samba's package starts: what
	# policy-rc.d says with 101 is "start nothing".
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		policy=""
	else
		printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod 755 "$policy"
	fi
	$sudo apt-get update -q >/dev/null || echo "make test: apt-get update failed" >&2
	for package in $missing; do
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package" >/dev/null ||
			echo "make test: cannot install $package; suites that need it will not run" >&2
	done
	[ -z "$policy" ] || $sudo rm -f "$policy"
}

servers
suites
exit 0
