package connectors

// Ability is an operation that a kind of target may support.
type Ability string

// The abilities that behov knows, in the order in which they are listed.
const (
	Create     Ability = "create accounts"
	Adopt      Ability = "adopt accounts"
	Update     Ability = "update accounts"
	References Ability = "references between accounts"
	Rename     Ability = "rename accounts"
	Disable    Ability = "disable and enable accounts"
	Delete     Ability = "delete accounts"
	Restore    Ability = "restore deleted accounts"
	Members    Ability = "memberships"
	Groups     Ability = "manage groups"
	Password   Ability = "first password"
	MFA        Ability = "MFA enrolment"
	Passes     Ability = "temporary access passes"
	SignIns    Ability = "last sign-ins"
	Sessions   Ability = "revoke sessions"
)

// Abilities returns all abilities in their order.
func Abilities() []Ability {
	return []Ability{Create, Adopt, Update, References, Rename, Disable, Delete, Restore, Members, Groups, Password, MFA, Passes, SignIns, Sessions}
}

// Support reports whether, and under which condition, an ability is supported.
type Support struct {
	Can bool `json:"can"`
	// Note tells the operator the condition, or why the ability is not supported.
	Note string `json:"note,omitempty"`
}

// Capabilities holds what a kind of target supports. An ability that is not in
// the map is not supported.
type Capabilities map[Ability]Support

// Can states that an ability is supported, optionally under a condition.
func Can(note ...string) Support { return Support{Can: true, Note: first(note)} }

// Cannot states that an ability is not supported, and why.
func Cannot(why string) Support { return Support{Note: why} }

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
