package config

import (
	"cmp"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// fileYAML is the structure of behov.yaml. rules/example explains each field.
type fileYAML struct {
	// Timezone is the time zone of HR's dates, as Europe/Stockholm, which is the
	// default.
	Timezone string `yaml:"timezone"`
	// Database is sqlite:FILE or postgres://USER@HOST/NAME?sslmode=verify-full; or
	// env:NAME or file:PATH of what says so, when it contains a password. Default:
	// sqlite:behov.db.
	Database string `yaml:"database"`
	// Key is the reference to the key with which personal values are sealed. Default:
	// file:behov.key, which behov init makes.
	Key string `yaml:"key"`
	// Login is the template of the login of a new person; a number is added when it
	// was ever taken. Default: "{{first 3 (ascii .GivenName)}}{{first 3 (ascii
	// .FamilyName)}}".
	Login string `yaml:"login"`
	// LoginProtected is the same for people with protected identity, whose login
	// must tell nothing. Default: "u{{last 7 .PersonID}}".
	LoginProtected string `yaml:"login_protected"`
	// Lifecycle is what the states of a person mean, in days before the first and
	// after the last day of work.
	Lifecycle lifecycleYAML `yaml:"lifecycle"`
	// Files are the files beside behov.yaml.
	Files struct {
		// Catalogue is the file with systems and their entitlements. Default:
		// catalogue.yaml.
		Catalogue string `yaml:"catalogue"`
		// Controls is the file that says what classes of information demand. Default:
		// controls.yaml, and without one behov's own controls.
		Controls string `yaml:"controls"`
		// Conflicts is the file with the segregations of duties. Default: conflicts.yaml,
		// where there is one.
		Conflicts string `yaml:"conflicts"`
		// Units is the file with the organisation: unit, parent, name, and where units
		// change from, until and successor. Default: units.csv.
		Units string `yaml:"units"`
		// Policy is the file with the rules. Default: policy.csv.
		Policy string `yaml:"policy"`
		// Rights is the file that says who may decide what. Default: rights.csv, where
		// there is one.
		Rights string `yaml:"rights"`
	} `yaml:"files"`
	// Operators maps users of the operating system, by name or number, to people,
	// as {anna: hr/1001}. Only these users decide on this machine then, each as
	// themselves. Without it every user who can read the directory can.
	Operators map[string]string `yaml:"operators"`
	// ServiceAccounts are programs that call the API as themselves, each with a name of its
	// own in lower-case letters, digits and hyphens. rights.csv gives them roles as g,
	// service:NAME, ROLE. They read, send HR events and ask by AuthZEN, and decide nothing.
	ServiceAccounts map[string]serviceAccountYAML `yaml:"service_accounts"`
	// NonHumanAccounts is what becomes of accounts that are no person's, which the register
	// lists with an owner and a purpose.
	NonHumanAccounts struct {
		// HandoverDays is for how many days an account can be handed over when its owner
		// does not work here any more, before it is disabled; 0 disables it at once.
		// Default: 14.
		HandoverDays *int `yaml:"handover_days"`
	} `yaml:"non_human_accounts"`
	// HR is where people come from.
	HR struct {
		// Attributes are columns of your own that rules, as r.sub.cost_centre, and
		// templates, as {{.Attributes.cost_centre}}, may read.
		Attributes []string `yaml:"attributes"`
		// Precedence names, for each column of a person (given_name, family_name,
		// national_id, email, phone) or as default, the sources that supply it, the
		// first one that has a value; as default: [hr, contractors]. With several
		// sources it must name one for each column.
		Precedence map[string][]string `yaml:"precedence"`
		// Sources are the HR sources, each with a name of its own. A source is read from
		// at most one of file, directory, http, sql and scim; without any, files are
		// given to behov hr import.
		Sources map[string]sourceYAML `yaml:"sources"`
		Units   *unitsYAML            `yaml:"units"`
	} `yaml:"hr"`
	// Rules is how versions of the rules come into use: the policy with its roles, the
	// catalogue, the units, the controls and the conflicts, together.
	Rules struct {
		// Approval reports that a version comes into use when a person approves its
		// simulation, who is not the one who proposed it. Until then the version that was
		// approved last stays in use. Default: false.
		Approval bool `yaml:"approval"`
	} `yaml:"rules"`
	// MFA is where MFA enrolment is read.
	MFA struct {
		// Target is the name of the target that says who is enrolled. Entitlements with
		// mfa: true, and those of which a control demands MFA, wait for it; without it no
		// one gets them.
		Target string `yaml:"target"`
		// Method is how strong the method of an enrolment is where the target does not say:
		// any, strong or phishing-resistant. Default: any.
		Method string `yaml:"method"`
		// SuspendAfter is the number of days after which the accounts of a person are disabled
		// who is not enrolled while access waits for it, counted from the day since which it
		// waits, or on which the person was last issued a pass. A pass opens them again, so that
		// the person can enrol. Default: 0, never: only what needs MFA waits.
		SuspendAfter int `yaml:"suspend_after"`
		// AskManager has the manager told, on the day on which a person begins who is not
		// enrolled, to have a pass issued and hand it over. It needs notices. Default: false.
		AskManager bool `yaml:"ask_manager"`
		// FirstPass has behov itself issue a pass on the day on which a person begins who is
		// not enrolled, or within a week of it, and hand it over to a directory or a program,
		// which passes it on.
		FirstPass struct {
			// Directory is a directory that gets one file for each pass, readable for its
			// owner only.
			Directory string `yaml:"directory"`
			// Command is a program with its arguments, that gets each pass as JSON on its
			// standard input.
			Command []string `yaml:"command"`
			// Hours is for how many hours a pass is valid. Default: 8.
			Hours int `yaml:"hours"`
		} `yaml:"first_pass"`
	} `yaml:"mfa"`
	// Reviews are access reviews that behov serve starts by itself, by name: on days, or at
	// events.
	Reviews map[string]reviewSeriesYAML `yaml:"reviews"`
	// Holds is what becomes of holds.
	Holds struct {
		// ExpireDays is the number of days after which a hold that no person decided on
		// is dropped; when its cause is still there, it is raised again. Default: 7.
		ExpireDays *int `yaml:"expire_days"`
	} `yaml:"holds"`
	// Targets are the targets, each with a name of its own and exactly one of ldap,
	// scim, graph and memory.
	Targets map[string]targetYAML `yaml:"targets"`
	// Audit is where behov serve publishes the log of the audit trail.
	Audit auditYAML `yaml:"audit"`
	// Alerts is who is told by mail or webhook when something waits for a person.
	Alerts alertsYAML `yaml:"alerts"`
	// Notices tell people by mail what waits for them: questions of reviews, requests to approve,
	// access that ends, systems to go through, MFA to enrol for. behov serve sends them, from seven
	// in the morning on, each once; a mail names no one. Without it none are sent.
	Notices *noticesYAML `yaml:"notices"`
	// SignIn is how people sign in, by OpenID Connect. Without it no one can.
	SignIn *signInYAML `yaml:"sign_in"`
	Serve  serveYAML   `yaml:"serve"`
	// Events are streams of events about decisions and access, each with a name of its
	// own and exactly one of webhook, file, syslog and ssf. They name people by opaque
	// IDs. behov serve delivers them.
	Events map[string]eventStreamYAML `yaml:"events"`
}

type serviceAccountYAML struct {
	// Purpose is what the program does.
	Purpose string `yaml:"purpose"`
	// Responsible are the people who answer for it: SOURCE/KEY, or a person_id of the
	// first source. While none of them works here its tokens are refused.
	Responsible []string `yaml:"responsible"`
}

type limitYAML struct {
	// Number is a number of people.
	Number *int `yaml:"number"`
	// Percent is a percentage of all people there. When number is set too, the smaller
	// of the two counts.
	Percent *float64 `yaml:"percent"`
}

type targetYAML struct {
	Connectors connectorsYAML `yaml:",inline"`

	Name nameYAML `yaml:"name"`
	// Main selects, in this target, which of several employments gives title, manager
	// and unit: largest-percent, latest-start or earliest-start. Default:
	// lifecycle.main_employment.
	Main string `yaml:"main_employment"`
	// Attributes are the managed attributes, by the target's own names. An attribute
	// that is not named is never written.
	Attributes map[string]attributeYAML `yaml:"attributes"`
	// Adopt are rules that say whose an existing account is, the strongest first; each
	// is one attribute, or name for the login name, and a template of its value, as -
	// employeeID: "{{.Key}}". Without rules only accounts with behov's anchor are
	// known.
	Adopt []map[string]string `yaml:"adopt"`
	// HoldAbove is how many people may be concerned within an hour, by kind, before
	// steps are held: disables, removals, enables, creations, renames, changes,
	// grants, or all for those that are not named. Without it the limits grow with the
	// square root of the people; grants have none.
	HoldAbove map[string]limitYAML `yaml:"hold_above"`
	// Ignore are patterns of login names that belong to no person on purpose, as
	// "svc-*". They are not reported and not changed.
	Ignore []string `yaml:"ignore"`
	// Drift is what happens to a change that others make in the target: repair (the
	// default) or report.
	Drift string `yaml:"drift"`
	// Reconcile is how often behov serve looks at everyone in the target. Default: 1h.
	Reconcile time.Duration `yaml:"reconcile_every"`
	Limits    limit.Limits  `yaml:"limits"`
	// Password is who is told the first password of a new account: a directory or a
	// program. Without it no one is.
	Password struct {
		// Directory is a directory that gets one file for each password, readable for
		// its owner only.
		Directory string `yaml:"directory"`
		// Command is a program, with its absolute path, and its arguments. It gets JSON
		// on standard input; of the environment it gets PATH, HOME, LANG and TZ only.
		Command []string `yaml:"command"`
	} `yaml:"first_password"`
}

type catalogueYAML struct {
	// Systems are the systems that people have access to. What is not listed is never
	// changed.
	Systems map[string]systemYAML `yaml:"systems"`
}

type systemYAML struct {
	// Name is what people call the system.
	Name string `yaml:"name"`
	// Owner is the person who decides in reviews: SOURCE/KEY, or a person_id of the
	// first source.
	Owner string `yaml:"owner"`
	// Deputies are people who may decide in the owner's place, written as the owner
	// is.
	Deputies []string `yaml:"deputies"`
	// Classification is the information class of the system, in the manner of KLASSA. What
	// it demands is in the controls.
	Classification classYAML `yaml:"classification"`
	// Suppliers provide or run the system.
	Suppliers []supplierYAML `yaml:"suppliers"`
	// DataIn are the countries in which the data lies, by two letters, as [SE].
	DataIn []string `yaml:"data_in"`
	// Target is the target in which the entitlements are.
	Target string `yaml:"target"`
	// Entitlements are what people can have in the system; one is named SYSTEM:NAME in
	// rules and commands.
	Entitlements map[string]entitlementYAML `yaml:"entitlements"`
}

type entitlementYAML struct {
	// Name is what people call the entitlement.
	Name string `yaml:"name"`
	// Native is what the target calls it: a group's name or DN, a role, or
	// licence:SKU. Default: the entitlement's own name. When it changes, the people
	// that behov put into the former group are moved.
	Native string `yaml:"native"`
	// Target is the target in which it is, when that is another than the system's.
	Target string `yaml:"target"`
	// MFA reports that only people who are enrolled for MFA get it. Default: false.
	MFA bool `yaml:"mfa"`
	// Authoritative reports that who got it in the target itself, without a reason
	// here, loses it. Default: false, which reports such access and leaves it.
	Authoritative bool `yaml:"authoritative"`
	// Purpose is what it is for, in words of the people who request it.
	Purpose string `yaml:"purpose"`
	// Requestable reports that people can request it for themselves or their staff, until a
	// day. The class of the system says for how long, and who approves. Default: false.
	Requestable bool `yaml:"requestable"`
	// Emergency reports that it can be taken at once, for a short time, and is approved
	// afterwards. Default: false.
	Emergency bool `yaml:"emergency"`
	// Group has behov create the group of the entitlement in the target, rename it when
	// native changes, and retire it. Without it the group has to be there.
	Group *groupYAML `yaml:"group"`
}

type auditYAML struct {
	// Publish has the log published where the owner of the database cannot write.
	Publish struct {
		// Directory gets the tiles, the entries and a signed checkpoint: a share, or a work
		// tree from which another program takes them.
		Directory string `yaml:"directory"`
		// Every is how often. It is published too when a review is signed off. Default: 1h.
		Every time.Duration `yaml:"every"`
	} `yaml:"publish"`
}

type groupYAML struct {
	// Purpose is what the group is for: it is written into the group. Default: the purpose
	// of the entitlement, or its name.
	Purpose string `yaml:"purpose"`
	// Owner answers for the group, by the ID of a person in HR, or SOURCE/ID. Default: the
	// owner of the system.
	Owner string `yaml:"owner"`
	// Retire takes the entitlement from everyone: with empty the group stays, with delete it
	// is deleted once no one is in it.
	Retire string `yaml:"retire"`
}

// The defaults.
const (
	defaultLogin               = `{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`
	defaultLoginProtected      = `u{{last 7 .PersonID}}`
	defaultTimezone            = "Europe/Stockholm"
	defaultDatabase            = "sqlite:behov.db"
	defaultKey                 = "file:behov.key"
	defaultSourceName          = "hr"
	catalogueFile              = "catalogue.yaml"
	policyFileName             = "policy.csv"
	controlsFile               = "controls.yaml"
	conflictsFile              = "conflicts.yaml"
	defaultHoldDays            = 7
	defaultAccountHandoverDays = 14
	encodingUTF8               = "utf-8"
	encodingLatin1             = "iso-8859-1"
	encodingWindows1252        = "windows-1252"
)

// Canonical are the columns of an HR export, by behov's names.
var Canonical = []string{"person_id", "employment_id", "given_name", "family_name", "national_id", "email", "phone", "unit", "job_code", "job_title",
	"employment_type", "employment_percent", "manager_id", "start_date", "end_date", "leave_start", "leave_end", "protected",
	"main", "valid_from", "sponsor_id", "changed_at", "removed"}

type loader struct {
	noMFATarget bool // no target is named that says who is enrolled
	dir         string
	sources     []string // the names of HR sources
	attributes  []string // custom HR columns
	problems    []diagnostic.Problem
	files       []Read
	zone        *time.Location
	permitted   map[string]bool // files and directories whose permissions were checked
	instead     Instead
	given       map[string][]byte // the contents of what is read instead, by file
}

// Load reads the configuration in a directory and every file that it names. It
// returns all problems, not only the first; the configuration is nil when one of
// them is more than a warning.
func Load(dir string) (*Config, []diagnostic.Problem) { return LoadInstead(dir, Instead{}) }

func (l *loader) load() *Config {
	var f fileYAML
	doc := l.yaml(File, &f)
	if doc == nil {
		return nil
	}
	cleanNames(&f)
	c := &Config{Dir: l.dir, Sources: map[string]Source{}, Attributes: f.HR.Attributes}
	var err error
	if c.Zone, err = time.LoadLocation(or(f.Timezone, defaultTimezone)); err != nil || f.Timezone == "Local" { // Local differs between machines
		doc.report("$.timezone", "%q is no time zone; write it as Europe/Stockholm", f.Timezone)
	}
	l.zone = c.Zone
	if c.Login, err = identity.ParseTemplate(or(f.Login, defaultLogin)); err != nil {
		doc.report("$.login", "%v", err)
	}
	if c.LoginProtected, err = identity.ParseTemplate(or(f.LoginProtected, defaultLoginProtected)); err != nil {
		doc.report("$.login_protected", "%v", err)
	}
	l.lifecycle(doc, f.Lifecycle, c)
	c.RulesApproval = f.Rules.Approval
	days := defaultHoldDays
	if f.Holds.ExpireDays != nil {
		if days = *f.Holds.ExpireDays; days < 1 || days > 3650 {
			doc.report("$.holds.expire_days", "it is a number of days, from 1 to 3650")
		}
	}
	c.HoldsExpire = time.Duration(days) * 24 * time.Hour
	c.AccountHandoverDays = defaultAccountHandoverDays
	if given := f.NonHumanAccounts.HandoverDays; given != nil {
		if c.AccountHandoverDays = *given; *given < 0 || *given > 365 {
			doc.report("$.non_human_accounts.handover_days", "it is a number of days, from 0 to 365")
		}
	}
	c.Alerts = l.alerts(doc, f.Alerts)
	c.Notices = l.notices(doc, f.Notices, c.Alerts)
	c.Serve = l.serve(doc, f.Serve)
	c.Precedence = l.precedence(doc, f.HR.Precedence, f.HR.Sources)
	c.Key = or(f.Key, defaultKey)
	if !isReference(c.Key) {
		doc.report("$.key", "a secret must not stand in the configuration: write env:NAME or file:PATH")
	}
	c.Database = l.database(doc, "$.database", or(f.Database, defaultDatabase))
	checkAttributes(doc, f.HR.Attributes)
	for _, name := range sortedKeys(f.HR.Sources) {
		s := l.source(doc, name, f.HR.Sources[name], f.HR.Attributes)
		s.Contracts = l.contracts(doc, "$.hr.sources."+quoteKey(name)+".contracts", name, f.HR.Sources[name].Contracts, f.HR.Sources)
		s.Joins = joins(doc, "$.hr.sources."+quoteKey(name)+".joins", name, f.HR.Sources[name].Joins, f.HR.Sources)
		if s.Forms {
			if c.Forms != "" {
				doc.report("$.hr.sources."+quoteKey(name)+".forms", "source %s has forms: true already: there is one such source", c.Forms)
			}
			c.Forms = name
			s.Joins = slices.DeleteFunc(sortedKeys(f.HR.Sources), func(other string) bool { return other == name })
			if len(s.Joins) == 0 {
				doc.report("$.hr.sources."+quoteKey(name)+".forms", "a report is about what another source has not said yet: add the source of the HR system under hr.sources")
			}
		}
		c.Sources[name] = s
	}
	if len(c.Sources) == 0 {
		c.Sources[defaultSourceName] = l.source(doc, defaultSourceName, sourceYAML{}, f.HR.Attributes)
	}
	l.sources, l.attributes = slices.DeleteFunc(sortedKeys(f.HR.Sources), func(name string) bool { return name == c.Forms }), f.HR.Attributes
	c.First = l.first(c.Precedence)
	for _, name := range sortedKeys(f.Targets) {
		c.Targets = append(c.Targets, l.target(doc, name, f.Targets[name], f.MFA.Target == name, c))
	}
	if len(c.Targets) == 0 {
		doc.report("$.targets", "no target is configured: behov init writes an example to start from")
	}
	c.Events = l.events(doc, f.Events, c)
	if _, ok := c.Target(f.MFA.Target); f.MFA.Target != "" && !ok {
		doc.report("$.mfa.target", "there is no target %q", f.MFA.Target)
	}
	c.Publish = Publish{Directory: l.file(f.Audit.Publish.Directory), Every: cmp.Or(parseInterval(doc, "$.audit.publish.every", f.Audit.Publish.Every), defaultPublish)}
	if c.Publish.Directory == "" && f.Audit.Publish.Every != 0 {
		doc.report("$.audit.publish", "it says how often the log is published and not where: add directory")
	}
	l.noMFATarget = f.MFA.Target == ""
	c.MFASuspendAfter, c.MFAAskManager = f.MFA.SuspendAfter, f.MFA.AskManager
	if n := f.MFA.SuspendAfter; n < 0 || n > mostMFADays {
		doc.report("$.mfa.suspend_after", "%d days: it must be 1 to %d, or 0 for never", n, mostMFADays)
	}
	if f.MFA.SuspendAfter > 0 && l.noMFATarget {
		doc.report("$.mfa.suspend_after", "no one can be seen to enrol: say under mfa.target which target knows")
	}
	c.FirstPass = l.firstPass(doc, f.MFA.FirstPass.Directory, f.MFA.FirstPass.Command, f.MFA.FirstPass.Hours)
	if f.MFA.AskManager && c.Notices == nil {
		doc.report("$.mfa.ask_manager", "managers are told by notices: write notices, with alerts.email")
	}
	c.MFAMethod = policy.Method(or(f.MFA.Method, string(policy.AnyMethod)))
	if !slices.Contains(policy.Methods, c.MFAMethod) {
		doc.report("$.mfa.method", "%q is none of %s", f.MFA.Method, strings.Join(texts(policy.Methods), ", "))
	}
	c.Operators = l.operators(doc, f.Operators, c)
	c.ServiceAccounts = l.serviceAccounts(doc, f.ServiceAccounts, c)
	c.SignIn = l.signIn(doc, f.SignIn, c)
	c.RuleFiles = ruleFiles(&f)
	before := len(l.problems)
	units := l.units(doc, f.Files.Units, f.HR.Units)
	known := !slices.ContainsFunc(l.problems[before:], func(p diagnostic.Problem) bool { return !p.Warning })
	controls := l.controls(f.Files.Controls, c)
	catalogue := l.catalogue(l.or(l.instead.Catalogue, c.RuleFiles.Catalogue), c, controls)
	catalogue.Conflicts = l.conflicts(f.Files.Conflicts, &catalogue)
	c.Reviews = reviews(doc, f.Reviews, &catalogue, units)
	c.Rights = l.rights(f.Files.Rights, c, units)
	policyFile := l.or(l.instead.Policy, c.RuleFiles.Policy)
	text, ok := l.read(policyFile)
	if !ok {
		return c
	}
	source, problems := policy.Parse(policyFile, text)
	l.problems = append(l.problems, problems...)
	if len(catalogue.Entitlements) > 0 && known { // without them every rule would be reported
		c.RulesSource = l.rulesSource(c)
		c.Rules, problems = policy.Compile(source, catalogue, units, f.HR.Attributes, identity.LeaveRule(c.RulesSource.Leave))
		l.problems = append(l.problems, problems...)
	}
	return c
}

// cleanNames cleans names that refer to HR's files or to this one
// (identity.CleanText), as they are compared in that form. Keys are already
// clean.
func cleanNames(f *fileYAML) {
	clean := func(names []string) {
		for i := range names {
			names[i] = identity.CleanText(names[i])
		}
	}
	clean(f.HR.Attributes)
	for _, sources := range f.HR.Precedence {
		clean(sources)
	}
	for _, s := range f.HR.Sources {
		for _, texts := range []map[string]string{s.Columns, s.Constants} {
			for column := range texts {
				texts[column] = identity.CleanText(texts[column])
			}
		}
		if s.Contracts != nil {
			s.Contracts.Sponsors = identity.CleanText(s.Contracts.Sponsors)
		}
		clean(s.Joins)
	}
	f.MFA.Target = identity.CleanText(f.MFA.Target)
}

// database makes a SQLite file's path relative to the directory.
func (l *loader) database(doc *document, at, s string) string {
	resolved := s
	if isReference(s) {
		var err error
		if resolved, err = Resolve(l.dir, s); err != nil {
			doc.report(at, "%v", err)
			return ""
		}
	}
	if file, ok := strings.CutPrefix(resolved, "sqlite:"); ok && file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(l.dir, file)
		}
		return "sqlite:" + file
	}
	u, err := url.Parse(resolved)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		doc.report(at, `it must be "sqlite:FILE", "postgres://…", or a reference to such a URL`)
		return ""
	}
	if hasPassword(u) && resolved == s {
		doc.report(at, "a password must not stand in the configuration: write env:NAME or file:PATH and keep the whole URL there")
	}
	return resolved
}

func (l *loader) target(doc *document, name string, y targetYAML, mfa bool, c *Config) Target {
	at := "$.targets." + quoteKey(name)
	t := Target{Name: name, Attributes: map[string]Attribute{}, Ignore: y.Ignore, MFA: mfa,
		Limits: limits(doc, at+".hold_above", y.HoldAbove)}
	for _, pattern := range y.Ignore {
		if _, err := path.Match(pattern, ""); err != nil {
			doc.report(at+".ignore", "the pattern %q is not well formed: * stands for anything", pattern)
		}
	}
	switch y.Drift {
	case "", "repair":
	case "report":
		t.Report = true
	default:
		doc.report(at+".drift", "%q is neither repair nor report: drift in the target is repaired, or reported and left", y.Drift)
	}
	t.Reconcile = parseInterval(doc, at+".reconcile_every", y.Reconcile)
	t.Main = mainRule(doc, at+".main_employment", y.Main, c.Main)
	l.mapping(doc, at, y, &t, c.LoginProtected)
	l.connector(doc, at, y, &t, c)
	return t
}

// parseInterval parses an interval.
func parseInterval(doc *document, at string, d time.Duration) time.Duration {
	if d != 0 && d < time.Second {
		doc.report(at, "%s is too often: not more than every second, as in 30s, 5m or 1h", d)
	}
	return d
}

func isReference(s string) bool {
	return strings.HasPrefix(s, "env:") || strings.HasPrefix(s, "file:")
}

func (l *loader) file(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.dir, name)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// quoteKey returns a key in the syntax of a YAML path.
func quoteKey(key string) string {
	return "'" + strings.ReplaceAll(key, "'", `\'`) + "'"
}
