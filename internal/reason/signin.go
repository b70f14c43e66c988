package reason

// SignInNotConfigured says that no one can sign in here yet.
type SignInNotConfigured struct{ kind }

// SignInProviderDown says that the organisation's sign-in service does not answer.
type SignInProviderDown struct{ kind }

// SignInUnknown says that this sign-in was not begun in this browser, or more than ten minutes ago.
type SignInUnknown struct{ kind }

// SignInDeclined says that the organisation's sign-in service did not let you in.
type SignInDeclined struct{ kind }

// SignInNotProved says that the organisation's sign-in service did not prove who you are.
type SignInNotProved struct{ kind }

// SignInNoPerson says that you are signed in, and behov does not know which person you are.
type SignInNoPerson struct{ kind }

// SignInNotWorking says that only a person who works here today, and is not suspended, can sign in.
type SignInNotWorking struct{ kind }

// SignInLinkUsed says that this link has been used, is too old, or was opened on another machine.
type SignInLinkUsed struct{ kind }
