# behov's two gates: make lint, make test. Tools are run by the Go toolchain at
# fixed versions; servers that tests talk to are installed by make test-servers.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
SKIPPED      := $(CURDIR)/.skipped

# SQLite is C made Go by a machine: watched by the race detector it takes ten
# times as long, and nobody looks for races in there. Only these two packages: what
# others instantiate of generic code, as of sync.Map's, is linked for everybody,
# and the detector then sees races that are none, and misses some that are. (Of
# these, libc instantiates what reads a directory.)
NO_RACE       := -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='modernc.org/libc=-race=false'

.PHONY: build lint test test-short test-servers bench kill-long soak year

build:
	go build -o behov ./cmd/behov

lint:
	go vet ./...
	$(GOLANGCI_LINT) run ./...
	@sh internal/testenv/vulncheck.sh $(GOVULNCHECK)

# What of the suites on SQLite does not run once more on PostgreSQL: it does by
# itself, or it is about something else and takes its time.
ON_POSTGRES   := ./internal/hr ./internal/server ./internal/reconcile ./cmd/behov
ONCE          := 'Killed|Replicas|AYear|FourKinds|Story|TenThousand|Readme|Planted|Notices'

# Everything, against real servers, what is about there being many at its full
# size without the race detector, and what works on a database on both. With
# CI=true a suite whose server is missing fails; otherwise it says that it did
# not run, and why.
test: test-servers
	@rm -f $(SKIPPED); export BEHOV_SKIPPED=$(SKIPPED); go test -race $(NO_RACE) -timeout 20m ./...; status=$$?; \
	echo "At full size:"; go test -run TestTenThousandMembers ./connectors/ldap || status=1; \
	go test -run TestConformanceScimapp/members/very_many ./connectors/scim || status=1; \
	go test -run 'TheModelSays|OrderOfArrival' ./internal/reconcile || status=1; \
	echo "On PostgreSQL:"; BEHOV_TEST_ON=postgres go test -skip $(ONCE) -timeout 20m $(ON_POSTGRES) || status=1; \
	if [ -s $(SKIPPED) ]; then echo "DID NOT RUN:"; sort $(SKIPPED); rm -f $(SKIPPED); fi; exit $$status

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
