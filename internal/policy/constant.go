package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/behov/behov/internal/identity"
)

// truth is the known result of a part of a condition: no, perhaps or yes.
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

// Bounds of the analysis; beyond them it makes no claim.
const (
	maxStates = 20_000  // combinations of groups of values
	maxTried  = 200_000 // candidates times leaves
)

// constant returns a warning when a condition holds for every possible
// employment, or for none. It is empty when it does not, or when that cannot be
// determined. The condition true is the way to write a rule for everyone. The
// leave attribute counts for none, and not for every.
func constant(c *condition, written *node, s schema, trees []*identity.Tree) string {
	if written.op == "literal" && written.value == true {
		return ""
	}
	if always, _ := outcomes(written, s, trees); always {
		return "the condition holds for everyone: write true if that is intended"
	}
	if _, never := outcomes(c.root, s, trees); never {
		return "the condition never holds, so the rule does nothing"
	}
	return ""
}

// outcomes reports whether a condition always or never holds. It groups values by
// the results of the condition's leaves (its comparisons and the like) and
// evaluates every combination of groups. The result of a leaf for a group is
// perhaps where it is unknown, so that nothing is claimed.
func outcomes(root *node, s schema, trees []*identity.Tree) (always, never bool) {
	known := map[*node]truth{}
	byAttribute := map[int][]*node{}
	var order []int
	for _, leaf := range leaves(root) {
		switch m := mentions(leaf); {
		case len(m) == 0:
			known[leaf] = truthOf(leaf.holds(input{}))
		case len(m) > 1 || !comparesDirectly(leaf):
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
		result := root.evaluatePartial(known)
		always, never = always && result == yes, never && result == no
		if !always && !never {
			break
		}
	}
	return always, never
}

// leaves returns the smallest boolean parts of a condition.
func leaves(n *node) []*node {
	if !n.isConnective() {
		return []*node{n}
	}
	var found []*node
	for _, a := range n.args {
		found = append(found, leaves(a)...)
	}
	return found
}

// isConnective reports whether n consists of boolean parts.
func (n *node) isConnective() bool {
	return slices.Contains([]string{"&&", "||", "!", "()", "?:"}, n.op)
}

// evaluatePartial evaluates a condition with known results of its leaves.
func (n *node) evaluatePartial(known map[*node]truth) truth {
	if t, ok := known[n]; ok {
		return t
	}
	switch n.op {
	case "!":
		return yes - n.args[0].evaluatePartial(known)
	case "()":
		return n.args[0].evaluatePartial(known)
	case "?:":
		test, then, otherwise := n.args[0].evaluatePartial(known), n.args[1].evaluatePartial(known), n.args[2].evaluatePartial(known)
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
			result = min(result, a.evaluatePartial(known))
		}
		return result
	}
	result := no
	for _, a := range n.args {
		result = max(result, a.evaluatePartial(known))
	}
	return result
}

// comparesDirectly reports whether a leaf that mentions one attribute compares
// it, unchanged, with literals.
func comparesDirectly(n *node) bool {
	if n.op == "attribute" {
		return true
	}
	return !slices.ContainsFunc(n.args, func(a *node) bool { return a.op != "attribute" && a.op != "literal" && a.op != "pattern" })
}

// candidate stands for a possible value of an attribute.
type candidate struct {
	value any
	// gap stands for any value that no leaf names.
	gap bool
	// parent is a unit of the tree that contains the value, a unit.
	parent string
	tree   *identity.Tree
}

// groupsOf returns, without duplicates, the results of the leaves for the
// possible values of the attribute; nothing when there are too many.
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
			group[i] = c.evaluate(leaf, name)
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
	numbers := []float64{0, 100} // the bounds of a percentage
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

// evaluate returns the result of a leaf for a candidate.
func (c candidate) evaluate(leaf *node, name string) truth {
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
	values := make([]any, leaf.highestAttribute()+1)
	for i := range values {
		values[i] = c.value
	}
	return truthOf(leaf.holds(input{values: values}))
}

// matchesAll reports whether a pattern is known to match every text, such as .*
// does.
func matchesAll(pattern any) bool {
	re, is := pattern.(*regexp.Regexp)
	if !is {
		return false
	}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	return err == nil && allIn(tree)
}

// allIn reports whether the pattern matches in every text, unanchored: it can
// match the empty text, also at one end, or the whole text.
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
		if begins && ends { // texts have no line breaks
			return len(rest) == 1 && rest[0].Op == syntax.OpStar && (rest[0].Sub[0].Op == syntax.OpAnyChar || rest[0].Sub[0].Op == syntax.OpAnyCharNotNL)
		}
		return !slices.ContainsFunc(rest, func(r *syntax.Regexp) bool { return !matchesEmpty(r) })
	}
	return matchesEmpty(re)
}

// matchesEmpty reports whether the pattern matches the empty text at any
// position.
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

// highestAttribute returns the highest index of an attribute that n mentions.
func (n *node) highestAttribute() int {
	highest := 0
	n.walk(func(n *node) {
		if n.op == "attribute" {
			highest = max(highest, n.attribute)
		}
	})
	return highest
}
