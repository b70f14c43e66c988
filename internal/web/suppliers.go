package web

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
)

// suppliersPage is who provides and runs the systems, where.
type suppliersPage struct {
	Rows    []suppliedRow
	Unknown []access.SystemState // without a supplier
	Net     net
}

// suppliedRow is a supplier of a system, or one that works for it.
type suppliedRow struct {
	System  string
	DataIn  []string
	First   bool // the first row of the system
	Name    string
	For     string // the supplier for whom it works; empty for none
	Country string
	Outside bool // the EU and the EEA
}

// net is a picture of systems, suppliers, sub-suppliers and countries, from left to right, with a
// line from each to what it depends on.
type net struct {
	Width, Height int
	Heads         []netNode // of the columns
	Nodes         []netNode
	Lines         []netLine
}

// netNode is a box; X and Y are its upper left corner.
type netNode struct {
	X, Y, Width, Height int
	Text, Full          string
	Href                string // empty for none
	Out                 bool   // outside the EU and the EEA
	column              int
}

// Middle is where the text of the box stands.
func (n netNode) Middle() int { return n.Y + n.Height/2 }

// netLine leads from a box to another.
type netLine struct{ Path string }

const (
	netBox, netGap, netRow, netTop = 200, 60, 40, 40
	netChars                       = 26
	countryColumn                  = 3
)

// suppliersOf returns the suppliers of systems as the pages show them.
func suppliersOf(systems []access.SystemState) suppliersPage {
	p := suppliersPage{Net: net{Width: 4*netBox + 3*netGap}}
	b := netBuilder{at: map[[2]string]int{}}
	for _, s := range systems {
		if len(s.Suppliers) == 0 {
			p.Unknown = append(p.Unknown, s)
			continue
		}
		from := b.node(0, s.System.System, cmp.Or(s.Name, s.System.System), "/systems/"+s.System.System)
		first := true
		var add func(of policy.Supplier, works string, column, from int)
		add = func(of policy.Supplier, works string, column, from int) {
			p.Rows = append(p.Rows, suppliedRow{System: s.System.System, DataIn: s.DataIn, First: first, Name: of.Name, For: works, Country: of.Country, Outside: of.Country != "" && !config.InEU(of.Country)})
			first = false
			n := b.node(column, of.Name, of.Name, "")
			b.line(from, n)
			if of.Country != "" {
				b.line(n, b.node(countryColumn, of.Country, of.Country, ""))
			}
			for _, sub := range of.SubSuppliers {
				add(sub, of.Name, min(column+1, countryColumn-1), n)
			}
		}
		for _, of := range s.Suppliers {
			add(of, "", 1, from)
		}
	}
	p.Net.Nodes, p.Net.Lines, p.Net.Height = b.lay()
	return p
}

// netBuilder places the boxes of a picture.
type netBuilder struct {
	nodes []netNode
	at    map[[2]string]int // by column and name
	lines [][2]int
}

func (b *netBuilder) node(column int, id, text, href string) int {
	key := [2]string{fmt.Sprint(column), id}
	if n, known := b.at[key]; known {
		return n
	}
	short := []rune(text)
	if len(short) > netChars {
		short = append(short[:netChars-1], '…')
	}
	b.at[key] = len(b.nodes)
	b.nodes = append(b.nodes, netNode{Width: netBox, Height: netRow - 10, Text: string(short), Full: text, Href: href, Out: column == countryColumn && !config.InEU(id), column: column})
	return len(b.nodes) - 1
}

func (b *netBuilder) line(from, to int) {
	if l := [2]int{from, to}; from != to && !slices.Contains(b.lines, l) {
		b.lines = append(b.lines, l)
	}
}

// lay puts the boxes of each column below each other, in the order in which they came.
func (b *netBuilder) lay() (nodes []netNode, lines []netLine, height int) {
	var rows [countryColumn + 1]int
	for i := range b.nodes {
		n := &b.nodes[i]
		n.X, n.Y = n.column*(netBox+netGap), netTop+rows[n.column]*netRow
		rows[n.column]++
	}
	for _, l := range b.lines {
		from, to := b.nodes[l[0]], b.nodes[l[1]]
		x1, y1, x2, y2 := from.X+netBox, from.Middle(), to.X, to.Middle()
		if from.column == to.column { // one that works for another of the same column
			x1, x2 = from.X, to.X
			lines = append(lines, netLine{fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1-netGap/2, y1, x2-netGap/2, y2, x2, y2)})
			continue
		}
		bend := netGap / 2
		lines = append(lines, netLine{fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)})
	}
	return b.nodes, lines, netTop + netRow*slices.Max(rows[:])
}

func (s *site) suppliers() {
	s.page("/systems/suppliers", "suppliers", func(v *visit) (any, error) {
		counted, err := s.countedFor(v)
		if err != nil {
			return nil, err
		}
		all, err := v.SystemStates(counted)
		if err != nil {
			return nil, err
		}
		p := suppliersOf(all)
		for column, word := range []string{"systems", "suppliers", "subs", "countries"} {
			p.Net.Heads = append(p.Net.Heads, netNode{X: column * (netBox + netGap), Text: v.T("supplier." + word)})
		}
		return p, nil
	})
}
