package reason

// Refusal is the error of what is refused for a reason. A person is told the sentence.
type Refusal struct{ Reason Reason }

// Error implements error, for logs: the canonical form.
func (e *Refusal) Error() string { return "refused: " + e.Reason.JSON() }

// Because returns the reason. Other errors that have one implement it, too.
func (e *Refusal) Because() Reason { return e.Reason }

// NotAllowed: the subject may not take the action.
type NotAllowed struct {
	kind
	Action string   `json:"action"`
	Why    string   `json:"why,omitempty"`   // the reason of the line that denies it
	Roles  []string `json:"roles,omitempty"` // that may take it, when no line denies it
}
