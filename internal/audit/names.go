package audit

// PlanDigest names one plan: it is a hash of all that the plan says.
type PlanDigest string

// StepID names a step within plans: the change of one account, without its values.
// Every plan that has the change calls it the same.
type StepID string

// StepKey names a change with its values, whether or not the account is there already.
// A step that fails is known by it from run to run, and so is one that is held.
type StepKey string

// StepDigest names a step as a person reviews it: the change with its values, to this
// account.
type StepDigest string

// HoldDigest names a hold: it is a hash of exactly what is held.
type HoldDigest string

// AttemptID names one attempt to carry out a step. It joins the record of the intent
// with the record of the outcome; the next attempt at the same step has another.
type AttemptID string
