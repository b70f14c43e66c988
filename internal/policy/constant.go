package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/behov/behov/internal/identity"
)

// truth is what is known of a part of a condition: no, perhaps or yes.
type truth int

const (
	no truth = iota
	perhaps
	yes
)

func truthOf(holds bool) truth {
	if holds {
		return yes
	}
	return no
}

// How much is looked at; of what is larger nothing is claimed.
const (
	maxStates = 20_000  // combinations of groups of values
	maxTried  = 200_000 // candidates times leaves
)

// constant words a warning when a condition holds for every employment there
// can be, or for none; it is empty when it does not, and when that cannot be
// told. The condition true is how a rule for everybody is written. What leave
// adds counts for none, and not for every.
func constant(c *condition, written *node, s schema, trees []*identity.Tree) string {
	if written.op == "literal" && written.value == true {
		return ""
	}
	if always, _ := outcomes(written, s, trees); always {
		return "the condition holds for everybody: write true if that is meant"
	}
	if _, never := outcomes(c.root, s, trees); never {
		return "the condition never holds, so the rule does nothing"
	}
	return ""
}

// outcomes says whether a condition always or never holds. Values are grouped
// by what the condition's leaves, its comparisons and the like, make of them;
// then every combination of groups is evaluated. What a leaf makes of a group
// is perhaps where that is not known, so that nothing is claimed of it.
func outcomes(root *node, s schema, trees []*identity.Tree) (always, never bool) {
	known := map[*node]truth{}
	byAttribute := map[int][]*node{}
	var order []int
	for _, leaf := range leaves(root) {
		switch m := mentions(leaf); {
		case len(m) == 0:
			known[leaf] = truthOf(leaf.holds(input{}))
		case len(m) > 1 || !direct(leaf):
			known[leaf] = perhaps
		default:
			if byAttribute[m[0]] == nil {
				order = append(order, m[0])
			}
			byAttribute[m[0]] = append(byAttribute[m[0]], leaf)
		}
	}
	groups, states := make([][][]truth, len(order)), 1
	for i, attribute := range order {
		groups[i] = groupsOf(s.names[attribute], byAttribute[attribute], trees)
		if states *= len(groups[i]); states == 0 || states > maxStates {
			return false, false
		}
	}
	always, never = true, true
	for state := range states {
		for i, attribute := range order {
			group := groups[i][state%len(groups[i])]
			state /= len(groups[i])
			for j, leaf := range byAttribute[attribute] {
				known[leaf] = group[j]
			}
		}
		result := root.given(known)
		always, never = always && result == yes, never && result == no
		if !always && !never {
			break
		}
	}
	return always, never
}

// leaves returns the smallest parts of a condition that are true or false.
func leaves(n *node) []*node {
	if !n.joins() {
		return []*node{n}
	}
	var found []*node
	for _, a := range n.args {
		found = append(found, leaves(a)...)
	}
	return found
}

// joins says whether n is made of parts that are true or false.
func (n *node) joins() bool {
	return slices.Contains([]string{"&&", "||", "!", "()", "?:"}, n.op)
}

// given evaluates a condition of whose leaves this is known.
func (n *node) given(known map[*node]truth) truth {
	if t, ok := known[n]; ok {
		return t
	}
	switch n.op {
	case "!":
		return yes - n.args[0].given(known)
	case "()":
		return n.args[0].given(known)
	case "?:":
		test, then, otherwise := n.args[0].given(known), n.args[1].given(known), n.args[2].given(known)
		switch {
		case test == yes:
			return then
		case test == no:
			return otherwise
		case then == otherwise:
			return then
		}
		return perhaps
	case "&&":
		result := yes
		for _, a := range n.args {
			result = min(result, a.given(known))
		}
		return result
	}
	result := no
	for _, a := range n.args {
		result = max(result, a.given(known))
	}
	return result
}

// direct says whether a leaf that mentions one attribute holds it, as it is,
// against literals.
func direct(n *node) bool {
	if n.op == "attribute" {
		return true
	}
	return !slices.ContainsFunc(n.args, func(a *node) bool { return a.op != "attribute" && a.op != "literal" && a.op != "pattern" })
}

// candidate stands for a value that an attribute may have.
type candidate struct {
	value any
	// gap: for any value that no leaf names, in the place of value.
	gap bool
	// parent is a unit of the tree in which the value, a unit, lies.
	parent string
	tree   *identity.Tree
}

// groupsOf returns, without repetition, what the leaves make of the values that
// the attribute may have; nothing when there are too many.
func groupsOf(name string, leaves []*node, trees []*identity.Tree) [][]truth {
	all := candidates(name, leaves, trees)
	if len(all)*len(leaves) > maxTried {
		return nil
	}
	var groups [][]truth
	seen := map[string]bool{}
	for _, c := range all {
		group, key := make([]truth, len(leaves)), make([]byte, len(leaves))
		for i, leaf := range leaves {
			group[i] = c.makes(leaf, name)
			key[i] = byte(group[i])
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			groups = append(groups, group)
		}
	}
	return groups
}

func candidates(name string, leaves []*node, trees []*identity.Tree) []candidate {
	var texts []string
	numbers := []float64{0, 100} // no employment has less, or more
	for _, leaf := range leaves {
		leaf.walk(func(n *node) {
			switch v := n.value.(type) {
			case string:
				texts = append(texts, v)
			case float64:
				if v > 0 && v < 100 {
					numbers = append(numbers, v)
				}
			}
		})
	}
	switch zero(name).(type) {
	case bool:
		return []candidate{{value: false}, {value: true}}
	case float64:
		slices.Sort(numbers)
		found := []candidate{{value: numbers[0]}}
		for i, n := range numbers[1:] {
			found = append(found, candidate{value: (numbers[i] + n) / 2}, candidate{value: n})
		}
		return found
	}
	found := []candidate{{value: ""}, {value: "\x00", gap: true}}
	for _, text := range texts {
		found = append(found, candidate{value: text}, candidate{value: text + "\x00", gap: true})
	}
	if name != "unit" {
		return found
	}
	found = nil
	for _, tree := range trees {
		found = append(found, candidate{value: "", tree: tree}, candidate{value: "\x00", gap: true, tree: tree})
		for _, text := range texts {
			found = append(found, candidate{value: text, parent: text, tree: tree}, candidate{value: text + "\x00", gap: true, parent: text, tree: tree})
		}
	}
	return found
}

// makes returns what a leaf makes of a candidate.
func (c candidate) makes(leaf *node, name string) truth {
	switch leaf.op {
	case "under":
		return truthOf(c.tree.Under(c.parent, leaf.args[1].text(input{})))
	case "=~", "!~":
		if c.gap && matchesAll(leaf.args[1].value) {
			return truthOf(leaf.op == "=~")
		} else if c.gap {
			return perhaps
		}
	case "<", "<=", ">", ">=":
		if c.gap && name == "unit" {
			return perhaps
		}
	}
	values := make([]any, leaf.highest()+1)
	for i := range values {
		values[i] = c.value
	}
	return truthOf(leaf.holds(input{values: values}))
}

// matchesAll reports whether a pattern is known to match every text, as .* does.
func matchesAll(pattern any) bool {
	re, is := pattern.(*regexp.Regexp)
	if !is {
		return false
	}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	return err == nil && allIn(tree)
}

// allIn reports whether each text has a match of the pattern, which may begin
// and end anywhere: the empty one, also at one end, or all of the text.
func allIn(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture:
		return allIn(re.Sub[0])
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, allIn)
	case syntax.OpBeginText, syntax.OpEndText:
		return true
	case syntax.OpConcat:
		rest := re.Sub
		begins, ends := rest[0].Op == syntax.OpBeginText, rest[len(rest)-1].Op == syntax.OpEndText
		if begins {
			rest = rest[1:]
		}
		if ends && len(rest) > 0 {
			rest = rest[:len(rest)-1]
		}
		if begins && ends { // texts have no line break
			return len(rest) == 1 && rest[0].Op == syntax.OpStar && (rest[0].Sub[0].Op == syntax.OpAnyChar || rest[0].Sub[0].Op == syntax.OpAnyCharNotNL)
		}
		return !slices.ContainsFunc(rest, func(r *syntax.Regexp) bool { return !matchesEmpty(r) })
	}
	return matchesEmpty(re)
}

// matchesEmpty reports whether the pattern matches nothing at all, wherever it
// stands.
func matchesEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpRepeat:
		return re.Min == 0 || matchesEmpty(re.Sub[0])
	case syntax.OpCapture, syntax.OpPlus:
		return matchesEmpty(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(r *syntax.Regexp) bool { return !matchesEmpty(r) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, matchesEmpty)
	}
	return false
}

// highest returns the highest index of an attribute that n mentions.
func (n *node) highest() int {
	highest := 0
	n.walk(func(n *node) {
		if n.op == "attribute" {
			highest = max(highest, n.attribute)
		}
	})
	return highest
}
