package identity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// RecordTemplate renders one value from columns of a record. It is a [Template]
// whose fields are the record's columns: {{.Surname}}, or {{col "Last name"}}
// where the name is no identifier; before and after cut a text at a separator.
type RecordTemplate struct {
	t       *template.Template
	columns []string
}

// ParseRecordTemplate compiles a template.
func ParseRecordTemplate(text string) (*RecordTemplate, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("template: it has %d bytes, the maximum is %d: shorten it", len(text), maxTemplate)
	}
	t, err := template.New("").Option("missingkey=zero").Funcs(templateFunctions).Funcs(template.FuncMap{"col": func(string) string { return "" }}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template %q: %s", text, columnAdvice(templateError(err)))
	}
	out := &RecordTemplate{t: t}
	for _, part := range t.Templates() {
		if part != t {
			return nil, fmt.Errorf("template %q: define and block are not supported: use fields, functions, if and with", text)
		}
	}
	if t.Tree != nil {
		err = checkNodes(t.Root, 0)
		if err == nil {
			err = out.list(t.Root)
		}
		if err != nil {
			return nil, fmt.Errorf("template %q: %w", text, err)
		}
	}
	if _, err := out.Execute(func(string) string { return "" }); err != nil {
		return nil, fmt.Errorf("template %q: %s", text, strings.TrimPrefix(err.Error(), "template: "))
	}
	return out, nil
}

// columnAdvice adds to an error how to write a column name that contains a space.
func columnAdvice(text string) string {
	if strings.Contains(text, "unknown function") || strings.Contains(text, "bad character") {
		return text + "; a column name with a space or punctuation is written {{col \"NAME\"}}"
	}
	return text
}

// Columns returns the names of the columns that the template reads, in the form
// of [CleanText], each once.
func (t *RecordTemplate) Columns() []string { return t.columns }

// Execute renders the template with the values of a record.
func (t *RecordTemplate) Execute(value func(column string) string) (string, error) {
	record := make(map[string]string, len(t.columns))
	for _, name := range t.columns {
		record[name] = value(name)
	}
	var b boundedBuffer
	if err := t.t.Execute(&b, record); err != nil {
		return "", fmt.Errorf("template: %s", templateError(err))
	}
	return strings.TrimSpace(b.String()), nil
}

// list collects the columns of nodes, and replaces col "NAME" by the field of the
// record.
func (t *RecordTemplate) list(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		var err error
		switch n := n.(type) {
		case *parse.ActionNode:
			err = t.pipe(n.Pipe)
		case *parse.IfNode:
			err = t.branch(&n.BranchNode)
		case *parse.WithNode:
			err = t.branch(&n.BranchNode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *RecordTemplate) branch(n *parse.BranchNode) error {
	if err := t.pipe(n.Pipe); err != nil {
		return err
	}
	if err := t.list(n.List); err != nil {
		return err
	}
	return t.list(n.ElseList)
}

func (t *RecordTemplate) pipe(pipe *parse.PipeNode) error {
	if pipe == nil {
		return nil
	}
	for _, c := range pipe.Cmds {
		if id, ok := c.Args[0].(*parse.IdentifierNode); ok && id.Ident == "col" {
			if len(c.Args) != 2 {
				return fmt.Errorf("col takes the name of one column, as {{col \"Last name\"}}")
			}
			name, ok := c.Args[1].(*parse.StringNode)
			if !ok {
				return fmt.Errorf("col takes the name of one column, as {{col \"Last name\"}}")
			}
			column := t.column(name.Text)
			c.Args = []parse.Node{&parse.VariableNode{NodeType: parse.NodeVariable, Pos: id.Pos, Ident: []string{"$", column}}}
			continue
		}
		for _, arg := range c.Args {
			switch arg := arg.(type) {
			case *parse.FieldNode:
				if len(arg.Ident) > 1 {
					return fmt.Errorf("%s contains a dot: write {{col %s}}", arg, strconv.Quote(strings.Join(arg.Ident, ".")))
				}
				arg.Ident[0] = t.column(arg.Ident[0])
			case *parse.VariableNode:
				if len(arg.Ident) == 2 && arg.Ident[0] == "$" {
					arg.Ident[1] = t.column(arg.Ident[1])
				}
			case *parse.PipeNode:
				if err := t.pipe(arg); err != nil {
					return err
				}
			case *parse.ChainNode:
				return fmt.Errorf("%s is no column", arg)
			case *parse.IdentifierNode:
				if arg.Ident == "col" {
					return fmt.Errorf("put col in parentheses: (col \"NAME\")")
				}
			}
		}
	}
	return nil
}

func (t *RecordTemplate) column(name string) string {
	name = CleanText(name)
	if !slices.Contains(t.columns, name) {
		t.columns = append(t.columns, name)
	}
	return name
}
