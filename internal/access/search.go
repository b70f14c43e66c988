package access

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

const (
	// searched is how many people one page of a search looks at, those too that the viewer may
	// not see, and in whatever state they are. A person waits for it at each key they press.
	searched = 500
	// wordsRead is how many words one page of a search reads at most.
	wordsRead = 2000
	// fewHolders is how many may have something in the systems of a viewer for a search to
	// look at them and at no one else.
	fewHolders = 1000
)

// searchPage is PeoplePage of a search.
func (v *View) searchPage(state identity.State, search string, page Page) ([]PersonState, string, error) {
	people := []PersonState{}
	after, err := v.openPlace(search, page.After)
	if err != nil {
		return nil, "", err
	}
	r, err := v.reach()
	if err != nil {
		return nil, "", err
	}
	size := page.Limit + 1
	var last store.SearchPlace // of people
	for looked, read := 0, 0; ; {
		found, err := v.DB.SearchPeople(v.ctx, search, r.among, after, size)
		if err != nil {
			return nil, "", err
		}
		states, err := v.statesOf(r, found.People)
		if err != nil {
			return nil, "", err
		}
		for _, place := range found.People {
			s, seen := states[place.Person]
			if !seen || state != "" && state != s.Stage.State {
				continue
			}
			if len(people) == page.Limit {
				next, err := v.sealPlace(search, last)
				return people, next, err
			}
			people, last = append(people, s), place
		}
		if !found.More {
			return people, "", nil
		}
		after, size = found.End, max(size, min(2*size, 200)) // not all of them count
		looked, read = looked+len(found.People), read+found.Read
		if looked >= searched || read >= wordsRead {
			next, err := v.sealPlace(search, after)
			return people, next, err
		}
	}
}

// reach is whom a search of a viewer looks at.
type reach struct {
	among store.PersonSet
	// Of everyone, a viewer who does not see everyone sees the staff, and who has something
	// that is owned.
	staff store.PersonSet // the viewer and their staff
	owned store.Entitlements
}

// reach returns whom a search of the viewer looks at. Where few have something in the systems
// of the viewer's these are looked at; where many have, a search among everyone soon finds
// some.
func (v *View) reach() (reach, error) {
	if v.everyone {
		return reach{among: store.Everyone()}, nil
	}
	staff, err := v.relations()
	if err != nil {
		return reach{}, err
	}
	r := reach{among: store.Only(staff...), staff: store.Only(staff...)}
	for _, s := range v.Config.Rules.Catalogue.Systems {
		if !v.owns(s) {
			continue
		}
		for _, e := range v.Config.Rules.Catalogue.Entitlements {
			if e.System == s.ID {
				r.owned.Entitlements = append(r.owned.Entitlements, string(e.ID))
				r.owned.Targets = append(r.owned.Targets, e.Target)
			}
		}
	}
	slices.Sort(r.owned.Targets)
	if r.owned.Targets = slices.Compact(r.owned.Targets); len(r.owned.Targets) == 0 {
		return r, nil
	}
	holders, few, err := v.DB.Holders(v.ctx, r.owned, fewHolders)
	if err != nil {
		return reach{}, err
	}
	if few {
		v.mark(v.owned, holders)
		r.among = store.Only(append(staff, holders...)...)
		return r, nil
	}
	r.among = store.Everyone()
	return r, nil
}

// statesOf returns the states of those of the people found whom the viewer may see.
func (v *View) statesOf(r reach, found []store.SearchPlace) (map[identity.PersonID]PersonState, error) {
	ids := make([]identity.PersonID, len(found))
	for i, place := range found {
		ids[i] = place.Person
	}
	if r.among.IsEveryone() && !v.everyone {
		holders, err := v.DB.HoldersAmong(v.ctx, r.owned, ids)
		if err != nil {
			return nil, err
		}
		v.mark(v.owned, holders)
		ids = slices.DeleteFunc(ids, func(id identity.PersonID) bool { return !r.staff.Contains(id) && !v.owned[id] })
	}
	batch, err := v.DB.PeopleByID(v.ctx, ids)
	if err != nil {
		return nil, err
	}
	states, err := v.states(batch)
	if err != nil {
		return nil, err
	}
	of := make(map[identity.PersonID]PersonState, len(states))
	for _, s := range states {
		of[s.Person.ID] = s
	}
	return of, nil
}

// searchPurpose is what the place of a search is sealed for.
func searchPurpose(search string) string { return "search.place\x00" + search }

// sealPlace returns a place in what a search finds, for the viewer to go on with: it has a
// name in it, which may be that of a person whom the viewer may not see.
func (v *View) sealPlace(search string, place store.SearchPlace) (string, error) {
	b, err := json.Marshal(place)
	if err != nil {
		return "", err
	}
	sealed, err := v.DB.Seal(searchPurpose(search), b)
	return base64.RawStdEncoding.EncodeToString(sealed), err
}

// openPlace is the inverse of sealPlace. It fails for the place of another search.
func (v *View) openPlace(search, sealed string) (place store.SearchPlace, err error) {
	if sealed == "" {
		return place, nil
	}
	b, err := base64.RawStdEncoding.DecodeString(sealed)
	if err == nil {
		b, err = v.DB.Unseal(searchPurpose(search), b)
	}
	if err != nil || json.Unmarshal(b, &place) != nil {
		return place, &CursorError{}
	}
	return place, nil
}
