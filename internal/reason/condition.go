package reason

// Field is a field of an employment, as conditions of rules name it.
type Field string

// The conditions of a rule, as people read them: when it applies to an employment.

// CondAlways says that a rule applies to everyone.
type CondAlways struct{ kind }

// CondAnd says that two conditions hold together.
type CondAnd struct {
	kind
	First Reason `json:"first"`
	Rest  Reason `json:"rest"`
}

// CondOr says that one of two conditions holds.
type CondOr struct {
	kind
	First Reason `json:"first"`
	Rest  Reason `json:"rest"`
}

// CondNot says that a condition does not hold.
type CondNot struct {
	kind
	Part Reason `json:"part"`
}

// CondIs says that a field has one of some values.
type CondIs struct {
	kind
	Of     Field `json:"of"`
	Values AnyOf `json:"values"`
}

// CondIsNot says that a field has none of some values.
type CondIsNot struct {
	kind
	Of     Field `json:"of"`
	Values AnyOf `json:"values"`
}

// CondUnder says that the unit is another one or below it.
type CondUnder struct {
	kind
	Unit string `json:"unit"` // its name
}

// CondCompared says that a field is less or more than a value.
type CondCompared struct {
	kind
	Of    Field  `json:"of"`
	By    string `json:"by"` // <, <=, > or >=
	Value string `json:"value"`
}

// CondLike says that a field matches a regular expression.
type CondLike struct {
	kind
	Of      Field  `json:"of"`
	Pattern string `json:"pattern"`
}

// CondYes says that something is so: on leave, works meanwhile elsewhere, protected.
type CondYes struct {
	kind
	Of Field `json:"of"`
}

// CondText is a part of a condition as it is written, that has no words.
type CondText struct {
	kind
	Written string `json:"written"`
}
