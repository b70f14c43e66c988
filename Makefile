# behov's two gates: make lint, make test. Tools are run by the Go toolchain at
# fixed versions; servers that tests talk to are installed by make test-servers.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
SKIPPED      := $(CURDIR)/.skipped
UNCHECKED    := $(CURDIR)/.unchecked
LOG          := $(CURDIR)/.tested

# SQLite is C made Go by a machine: watched by the race detector it takes ten
# times as long, and nobody looks for races in there. Only these two packages: what
# others instantiate of generic code, as of sync.Map's, is linked for everybody,
# and the detector then sees races that are none, and misses some that are. (Of
# these, libc instantiates what reads a directory.)
NO_RACE       := -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='modernc.org/libc=-race=false'

# A binary that runs anywhere and is the same wherever it is built: no cgo, no
# paths, no symbols. The commit is in it (behov version).
RELEASE       := CGO_ENABLED=0 go build -trimpath -buildvcs=true -ldflags="-s -w"

.PHONY: build man release reproducible lint test test-short test-servers bench kill-long soak year fuzz-api

build:
	go build -o behov ./cmd/behov

# One page for each command and each topic of the manual.
man:
	go run ./cmd/behov help --man man

release:
	$(RELEASE) -o behov ./cmd/behov
	@ls -l behov; sha256sum behov

# The last commit, built in two directories, is the same bit for bit.
reproducible:
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; commit=$$(git rev-parse HEAD); \
	for each in one another/and/deeper; do \
		git clone -q . "$$dir/$$each"; (cd "$$dir/$$each" && git -c advice.detachedHead=false checkout -q "$$commit" && $(RELEASE) -o behov ./cmd/behov); \
	done; \
	cmp "$$dir/one/behov" "$$dir/another/and/deeper/behov"; \
	sha256sum "$$dir/one/behov" | sed 's/ .*/  both builds/'; ls -l "$$dir/one/behov" | awk '{print $$5 " bytes"}'

# What could not be checked is said once more at the end.
lint:
	go vet ./...
	$(GOLANGCI_LINT) run ./...
	@rm -f $(UNCHECKED); BEHOV_SKIPPED=$(UNCHECKED) sh internal/testenv/vulncheck.sh $(GOVULNCHECK)
	@if [ -s $(UNCHECKED) ]; then echo "DID NOT RUN:"; sort $(UNCHECKED); fi

# What of the suites on SQLite does not run once more on PostgreSQL: it does by
# itself, or it is about something else and takes its time.
ON_POSTGRES   := ./internal/api ./internal/governance ./internal/hr ./internal/scimserver ./internal/reconcile ./cmd/behov
ONCE          := 'Killed|Replicas|AYear|EachDirectory|FourKinds|Story|TenThousand|Readme|Manual|Planted|Notices|Injections|OverTLS|Fuzz'

# Everything, against real servers, what is about there being many at its full
# size without the race detector, and what works on a database on both. With
# CI=true a suite whose server is missing fails; otherwise it says that it did
# not run, and why. What failed is said once more at the end.
test: SHELL = bash
test: test-servers
	@set -o pipefail; rm -f $(SKIPPED) $(LOG); export BEHOV_SKIPPED=$(SKIPPED) BEHOV_PICTURES=$(CURDIR)/pictures; status=0; \
	tests() { go test -timeout 35m "$$@" 2>&1 | tee -a $(LOG) || status=1; }; \
	tests -race $(NO_RACE) ./...; \
	echo "At full size:"; tests -run TestTenThousandMembers ./connectors/ldap; \
	tests -run 'TestConformanceScimapp/members/very_many|TestQuirks' ./connectors/scim; \
	tests -run 'TheModelSays|OrderOfArrival' ./internal/reconcile; \
	echo "Each benchmark once, small:"; tests -short -run '^$$' -bench . -benchtime 1x ./...; \
	echo "On PostgreSQL:"; export BEHOV_TEST_ON=postgres; tests -skip $(ONCE) $(ON_POSTGRES); \
	if [ -s $(UNCHECKED) ]; then cat $(UNCHECKED) >> $(SKIPPED); fi; \
	if [ -s $(SKIPPED) ]; then echo "DID NOT RUN:"; sort $(SKIPPED); rm -f $(SKIPPED); fi; \
	if [ $$status != 0 ]; then echo "FAILED:"; grep -E '^(FAIL|panic: |WARNING: DATA RACE)|^ *--- FAIL|^\s+Test.* \([0-9hms.]+\)$$' $(LOG); fi; exit $$status

# What needs no server, within a minute once built.
test-short:
	go test -short ./...

test-servers:
	@sh internal/testenv/install.sh

bench:
	go test -run '^$$' -bench . -benchtime 3x ./...

# Hundreds of kills instead of the few of make test; three replicas for minutes.
kill-long:
	BEHOV_KILLS=300 BEHOV_REPLICA_SECONDS=300 go test -timeout 60m -run 'KilledAtAnyInstant|Replicas' -v ./cmd/behov

# An hour of municipal days, as fast as they go: memory and goroutines are flat.
soak:
	BEHOV_SOAK=60m go test -timeout 90m -run TestSoak -v ./internal/service

# A year of 6,000 people, day by day, against slapd, Samba and SCIM.
year:
	BEHOV_YEAR_PEOPLE=6000 go test -timeout 90m -run TestAYearInTheMunicipality -v ./internal/reconcile

# Hundreds of requests of each kind instead of the few of make test, on both databases.
fuzz-api: test-servers
	BEHOV_FUZZ_EXAMPLES=200 go test -timeout 60m -run 'TestFuzzed$$' -v ./internal/api
	BEHOV_FUZZ_EXAMPLES=200 BEHOV_TEST_ON=postgres go test -timeout 60m -run 'TestFuzzed$$' -v ./internal/api
