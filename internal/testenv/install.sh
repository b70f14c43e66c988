#!/bin/sh
# Installs the servers that the tests talk to, from Debian's or Ubuntu's
# packages, as root or with sudo, and from Maven Central. What cannot be installed is named; its tests
# then say that they did not run, or fail when CI=true.

# SCIM's suites and the fuzzer of the API, from PyPI, each into a virtual environment
# whose name is that of what is in it: internal/testenv/python.go finds it there.
suites() {
	suite scimsuites scim-sanity "scim2-tester and scim-sanity"
	suite schemathesis schemathesis schemathesis
	suite tlogs proofbundle "proofbundle, a verifier of logs"
}

# suite DIRECTORY PROGRAM NAME installs what a requirements.txt names.
suite() {
	wanted="$(dirname "$0")/$1/requirements.txt"
	parent="${XDG_CACHE_HOME:-$HOME/.cache}/behov-testenv/$1"
	venv="$parent/$(sha256sum "$wanted" | cut -c1-16)"
	[ -x "$venv/bin/$2" ] && return
	echo "make test: installing $3"
	rm -rf "$venv"
	mkdir -p "$parent"
	# It is renamed in the end, so that what is there is whole; its programs name
	# their interpreter by path, and so the suites are started by that.
	if ! { python3 -m venv "$venv.part" && "$venv.part/bin/pip" install -q --disable-pip-version-check -r "$wanted" && mv "$venv.part" "$venv"; } >&2; then
		rm -rf "$venv.part"
		echo "make test: cannot install $3; suites that need them will not run" >&2
	fi
}

# OpenDJ and ApacheDS, from Maven Central, into the cache: the archives' checksums
# are here, and OpenDJ is set up once with an empty suffix.
directories() {
	cache="${XDG_CACHE_HOME:-$HOME/.cache}/behov-testenv"
	apacheds="$cache/apacheds-2.0.0.AM27.jar"
	opendj="$cache/opendj-4.9.3"
	[ -e "$apacheds" ] && [ -e "$opendj" ] && return
	echo "make test: installing OpenDJ and ApacheDS"
	mkdir -p "$cache"
	work="$(mktemp -d "$cache/maven.XXXXXX")"
	[ -e "$apacheds" ] || {
		fetch org.apache.directory.server apacheds-service 2.0.0.AM27 jar 6c347801c8c504396e14b44749a9f79224ea1445665878a18bcc450f37d6a913 &&
			mv "$fetched" "$apacheds"
	} || echo "make test: cannot install ApacheDS; tests that need it will not run" >&2
	[ -e "$opendj" ] || {
		fetch org.openidentityplatform.opendj opendj-server-legacy 4.9.3 zip 29fdaeba900bd563893f70ccb0b830844baf14f7f9a39bb89029f5929c199fe6 &&
			python3 -m zipfile -e "$fetched" "$work" && chmod +x "$work"/opendj/setup "$work"/opendj/bin/* "$work"/opendj/lib/*.sh &&
			"$work/opendj/setup" --cli --no-prompt --acceptLicense --doNotStart --skipPortCheck --baseDN dc=kommun,dc=test --addBaseEntry --hostname localhost \
				--ldapPort 1389 --adminConnectorPort 4444 --rootUserDN "cn=Directory Manager" --rootUserPassword hemligt >"$work/setup.log" 2>&1 &&
			mv "$work/opendj" "$opendj"
	} || echo "make test: cannot install OpenDJ; tests that need it will not run" >&2
	rm -rf "$work"
}

# fetch GROUP ARTIFACT VERSION KIND SHA256 sets fetched to the path of an
# artifact that Maven's own configuration says where to find.
fetch() {
	mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dmaven.repo.local="$work/repo" -Dtransitive=false -Dartifact="$1:$2:$3:$4" >"$work/maven.log" 2>&1 || {
		tail -n 3 "$work/maven.log" >&2
		return 1
	}
	fetched="$work/repo/$(echo "$1" | tr . /)/$2/$3/$2-$3.$4"
	echo "$5  $fetched" | sha256sum -c --quiet >&2
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
	command -v ns-slapd >/dev/null 2>&1 || [ -x /usr/sbin/ns-slapd ] || missing="$missing 389-ds-base"
	command -v java >/dev/null 2>&1 || missing="$missing default-jre-headless"
	command -v mvn >/dev/null 2>&1 || missing="$missing maven"
	command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-noto-core"
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
directories
exit 0
