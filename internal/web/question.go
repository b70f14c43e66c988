package web

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// question of the audit: what is asked about, as far as the words tell, and when.
type asked struct {
	// Entitlements, Systems and Units are those that the words may mean.
	Entitlements []policy.EntitlementID
	Systems      []string
	Units        []string
	// Others are entitlements and systems that fewer of the words may mean.
	Others []string
	// Rest is what means none of these: the name of a person. Wrong is a time that does not
	// exist, or has not come.
	Rest  string
	Wrong []string
	// From and To are the first and the last day; empty for now.
	From, To identity.Date
}

// monthNames are how months begin in both languages, by their numbers.
var monthNames = map[string]int{"jan": 1, "feb": 2, "mar": 3, "apr": 4, "maj": 5, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "okt": 10, "oct": 10, "nov": 11, "dec": 12}

const monthWord = `(jan(?:uary|uari)?|feb(?:ruary|ruari)?|mar(?:ch|s)?|apr(?:il)?|maj|may|june?|juni|july?|juli|aug(?:usti|ust)?|sept?(?:ember)?|okt(?:ober)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?`

// The ways to name a time, the longer before the shorter.
var (
	isoDay    = regexp.MustCompile(`\b(\d{4})-(\d{2})-(\d{2})\b`)
	dayMonth  = regexp.MustCompile(`\b(\d{1,2})(?:st|nd|rd|th|:?e|:a)? (?:of )?` + monthWord + `(?: (\d{4}))?\b`)
	monthDay  = regexp.MustCompile(`\b` + monthWord + ` (\d{1,2})(?:st|nd|rd|th)?(?:,? (\d{4}))?\b`)
	slashDay  = regexp.MustCompile(`\b(\d{1,2})/(\d{1,2})(?:[ /-](\d{4}))?\b`)
	isoMonth  = regexp.MustCompile(`\b(\d{4})-(\d{2})\b`)
	monthYear = regexp.MustCompile(`\b` + monthWord + ` (\d{4})\b`)
	justMonth = regexp.MustCompile(`\b(?:i|in|during|under) ` + monthWord + `(?:\s|$)`)
	justYear  = regexp.MustCompile(`\b(?:(?:i|in|during|under) )?(20\d{2})\b`)
)

// relative are words for a time, with the days from today of its first and last day.
var relative = []struct {
	words    string
	from, to int
}{
	{"i förrgår", -2, -2}, {"day before yesterday", -2, -2}, {"i går", -1, -1}, {"igår", -1, -1}, {"yesterday", -1, -1}, {"i dag", 0, 0}, {"idag", 0, 0}, {"today", 0, 0},
	{"senaste veckan", -7, 0}, {"last week", -7, 0}, {"past week", -7, 0}, {"senaste månaden", -30, 0}, {"last month", -30, 0}, {"past month", -30, 0}, {"senaste året", -365, 0}, {"last year", -365, 0}, {"past year", -365, 0},
}

// since says that a time goes on until today.
var since = regexp.MustCompile(` (sedan|since|fr o m|från och med|efter|after) `)

// fillers are words of a question that name nothing.
var fillers = strings.Fields(`vem vilka vad hade har haft fick få får var till åtkomst access to the a an who whom what which had has have did get gets got on at in i på den det dom de för mellan och from till between and och tom from until till av of om kl klockan from fr o m t s behörighet behörigheter behörigheten rättighet rättigheter kunde kan se nu now since sedan efter after någonsin ever när when is was were are är under during works worked work arbetar arbetade jobbar jobbade enheten unit`)

// parseQuestion works out what a question is about. now is in the organisation's time zone.
func parseQuestion(text string, today identity.Date, c *policy.Catalogue, units *identity.Units) asked {
	rest := " " + strings.ToLower(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("?!\"()", r) }), " ")) + " "
	var q asked
	var spans [][2]identity.Date
	take := func(re *regexp.Regexp, days func([]string) (from, to identity.Date, ok bool)) {
		for {
			at := re.FindStringSubmatchIndex(rest)
			if at == nil {
				return
			}
			groups := make([]string, len(at)/2)
			for i := range groups {
				if at[2*i] >= 0 {
					groups[i] = rest[at[2*i]:at[2*i+1]]
				}
			}
			if from, to, ok := days(groups); ok && from <= today {
				spans = append(spans, [2]identity.Date{from, to})
			} else {
				q.Wrong = append(q.Wrong, strings.TrimSpace(rest[at[0]:at[1]]))
			}
			rest = rest[:at[0]] + " " + rest[at[1]:]
		}
	}
	day := func(y, m, d string) (identity.Date, identity.Date, bool) {
		at, ok := dayOf(y, m, d, today)
		return at, at, ok
	}
	take(isoDay, func(g []string) (identity.Date, identity.Date, bool) { return day(g[1], g[2], g[3]) })
	take(dayMonth, func(g []string) (identity.Date, identity.Date, bool) { return day(g[3], monthNumber(g[2]), g[1]) })
	take(monthDay, func(g []string) (identity.Date, identity.Date, bool) { return day(g[3], monthNumber(g[1]), g[2]) })
	take(slashDay, func(g []string) (identity.Date, identity.Date, bool) { return day(g[3], g[2], g[1]) })
	take(isoMonth, func(g []string) (identity.Date, identity.Date, bool) { return monthOf(g[1], g[2], today) })
	take(monthYear, func(g []string) (identity.Date, identity.Date, bool) { return monthOf(g[2], monthNumber(g[1]), today) })
	take(justMonth, func(g []string) (identity.Date, identity.Date, bool) { return monthOf("", monthNumber(g[1]), today) })
	take(justYear, func(g []string) (identity.Date, identity.Date, bool) {
		return identity.Date(g[1] + "-01-01"), identity.Date(g[1] + "-12-31"), true
	})
	for _, r := range relative {
		if before, after, found := strings.Cut(rest, " "+r.words+" "); found {
			spans, rest = append(spans, [2]identity.Date{today.AddDays(r.from), today.AddDays(r.to)}), before+" "+after
		}
	}
	if len(spans) == 1 && since.MatchString(rest) {
		spans[0][1] = today
	}
	for i, s := range spans {
		if i == 0 || s[0] < q.From {
			q.From = s[0]
		}
		if i == 0 || s[1] > q.To {
			q.To = s[1]
		}
	}
	q.name(rest, c, units)
	return q
}

func monthNumber(name string) string {
	for prefix, n := range monthNames {
		if strings.HasPrefix(name, prefix) {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// dayOf returns a day; without a year the last such day that has come.
func dayOf(year, month, day string, today identity.Date) (identity.Date, bool) {
	make := func(year string) (identity.Date, bool) {
		y, err1 := strconv.Atoi(year)
		m, err2 := strconv.Atoi(month)
		d, err3 := strconv.Atoi(day)
		t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
		if err1 != nil || err2 != nil || err3 != nil || y < 1900 || t.Day() != d || int(t.Month()) != m {
			return "", false
		}
		return identity.Date(t.Format(time.DateOnly)), true
	}
	if year != "" {
		return make(year)
	}
	this, err := strconv.Atoi(string(today[:4]))
	if err != nil {
		return "", false
	}
	for back := range 9 { // the 29th of February comes in eight years at the latest
		if d, ok := make(strconv.Itoa(this - back)); ok && d <= today {
			return d, true
		}
	}
	return "", false
}

// monthOf returns the first and the last day of a month; without a year of the last one
// that has begun.
func monthOf(year, month string, today identity.Date) (from, to identity.Date, ok bool) {
	if from, ok = dayOf(year, month, "1", today); !ok {
		return "", "", false
	}
	return from, firstOfMonth(from.AddDays(31)).AddDays(-1), true
}

// name finds systems, entitlements and units in words, by their IDs and names: those that
// most of the words mean, and of these those whose whole name is there. The other words are of
// a person's name.
func (q *asked) name(text string, c *policy.Catalogue, units *identity.Units) {
	var words []string
	for _, w := range strings.Fields(text) {
		if w = strings.Trim(w, ".,;–-"); w != "" && !slices.Contains(fillers, w) {
			words = append(words, w)
		}
	}
	var all []meant
	add := func(m meant, names ...string) {
		if m.match(words, names...) {
			all = append(all, m)
		}
	}
	for _, s := range c.Systems {
		add(meant{kind: "system", id: s.ID}, s.Name, s.ID)
	}
	for _, e := range c.Entitlements {
		_, own, _ := strings.Cut(string(e.ID), ":")
		add(meant{kind: "entitlement", id: string(e.ID)}, e.Name, own, string(e.ID))
	}
	for _, id := range units.IDs() {
		add(meant{kind: "unit", id: id}, units.Name(id), id)
	}
	slices.SortStableFunc(all, func(a, b meant) int {
		if len(a.words) != len(b.words) {
			return len(b.words) - len(a.words)
		}
		return order(b.whole, a.whole)
	})
	taken := map[int]bool{}
	for i, m := range all {
		if first := all[0]; i > 0 && (len(m.words) < len(first.words) || m.whole != first.whole) {
			if m.kind != "unit" {
				q.Others = append(q.Others, m.id)
			}
			continue
		}
		for _, n := range m.words {
			taken[n] = true
		}
		switch m.kind {
		case "system":
			q.Systems = append(q.Systems, m.id)
		case "entitlement":
			q.Entitlements = append(q.Entitlements, policy.EntitlementID(m.id))
		default:
			q.Units = append(q.Units, m.id)
		}
	}
	var rest []string
	for n, w := range words {
		if !taken[n] {
			rest = append(rest, w)
		}
	}
	q.Rest = strings.Join(rest, " ")
}

// meant is something that words may mean.
type meant struct {
	kind, id string
	words    []int // the places of the words that mean it
	whole    bool  // they are its whole name
}

// match finds the words that mean one of the names, as many as there are.
func (m *meant) match(words []string, names ...string) bool {
	for _, name := range names {
		var of []int
		parts := partsOf(name)
		found := 0
		for _, part := range parts {
			n := slices.IndexFunc(words, func(w string) bool { return w == strings.ToLower(name) || alike(w, part) })
			if n >= 0 {
				found++
				if !slices.Contains(of, n) {
					of = append(of, n)
				}
			}
		}
		whole := len(parts) > 0 && found == len(parts)
		if len(of) > len(m.words) || len(of) == len(m.words) && whole && len(of) > 0 {
			m.words, m.whole = of, whole || m.whole && len(of) == len(m.words)
		}
	}
	return len(m.words) > 0
}

// partsOf returns the words of a name, without those that name nothing.
func partsOf(name string) []string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(parts, func(p string) bool { return slices.Contains(fillers, p) })
}

// alike reports whether two words are forms of one: journalen is a form of journal, and so is
// the beginning of journalsystem.
func alike(word, part string) bool {
	const least = 4 // letters that two forms have in common
	if word == part {
		return true
	}
	shorter, longer := word, part
	if len(shorter) > len(longer) {
		shorter, longer = longer, shorter
	}
	return len([]rune(shorter)) >= least && strings.HasPrefix(longer, shorter) && len(longer)-len(shorter) <= max(3, len(shorter)/2)
}
