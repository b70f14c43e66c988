package reason

import "github.com/behov/behov/internal/identity"

// DeviceTitle heads the page on which a person confirms a sign-in on another machine.
type DeviceTitle struct{ kind }

// DeviceEnter says what to do without a code.
type DeviceEnter struct{ kind }

// DeviceAs says as whom the machine would act.
type DeviceAs struct {
	kind
	Person identity.PersonID `json:"person"`
}

// DeviceCode is what the code is called.
type DeviceCode struct{ kind }

// DeviceMachine is what the name is called that a machine gives itself.
type DeviceMachine struct{ kind }

// DeviceNoName stands where a machine gives itself no name.
type DeviceNoName struct{ kind }

// DeviceCompare says when to confirm.
type DeviceCompare struct{ kind }

// DeviceWarning says when to deny.
type DeviceWarning struct{ kind }

// DeviceContinue is what the button says that goes on with a code.
type DeviceContinue struct{ kind }

// DeviceConfirm is what the button says that lets the machine in.
type DeviceConfirm struct{ kind }

// DeviceDeny is what the button says that does not.
type DeviceDeny struct{ kind }

// DeviceLetIn says that the machine is let in.
type DeviceLetIn struct{ kind }

// DeviceRefused says that the machine is not let in.
type DeviceRefused struct{ kind }

// DeviceUnknown says that no sign-in waits with the code.
type DeviceUnknown struct{ kind }

// DeviceForm says that a form is of another session, or too old.
type DeviceForm struct{ kind }
