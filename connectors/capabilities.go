package connectors

// Ability is something a kind of target may be able to do.
type Ability string

// The abilities behov knows of, in the order in which they are listed.
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
	Password   Ability = "first password"
	MFA        Ability = "MFA enrolment"
	Passes     Ability = "temporary access passes"
	Sessions   Ability = "revoke sessions"
)

// Abilities lists all of them in their order.
func Abilities() []Ability {
	return []Ability{Create, Adopt, Update, References, Rename, Disable, Delete, Restore, Members, Password, MFA, Passes, Sessions}
}

// Support says whether, and under which condition, an ability is there.
type Support struct {
	Can bool `json:"can"`
	// Note says, for a person, under which condition or why not.
	Note string `json:"note,omitempty"`
}

// Capabilities says what a kind of target can do. An ability that is not
// listed is one it cannot do.
type Capabilities map[Ability]Support

// Can states an ability, optionally with a condition.
func Can(note ...string) Support { return Support{Can: true, Note: first(note)} }

// Cannot states that an ability is missing, and why.
func Cannot(why string) Support { return Support{Note: why} }

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
