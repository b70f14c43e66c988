package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/behov/behov/internal/demo/directory"
	"github.com/behov/behov/internal/demo/scimapp"
)

// Servers are the demo's two targets, in this process, on loopback sockets.
type Servers struct {
	At        Endpoints
	directory *directory.Server
	app       *scimapp.Server
}

// StartServers starts them, with every group the demo's catalogue has.
func StartServers(ctx context.Context) (*Servers, error) {
	const base, admin = "dc=solvik,dc=example", "cn=behov,dc=solvik,dc=example"
	groups, err := Groups("directory")
	if err != nil {
		return nil, err
	}
	appGroups, err := Groups("cases")
	if err != nil {
		return nil, err
	}
	password, token := rand.Text(), rand.Text()
	d, err := directory.Start(ctx, base, admin, password, groups)
	if err != nil {
		return nil, fmt.Errorf("the demo's directory: %w", err)
	}
	app, err := scimapp.Start(ctx, token, appGroups)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the demo's SCIM service: %w", err), d.Close())
	}
	return &Servers{directory: d, app: app, At: Endpoints{LDAPURL: d.URL(), BindDN: admin, Password: password, PeopleDN: d.PeopleDN(), GroupsDN: d.GroupsDN(),
		SCIMURL: app.URL(), Token: token}}, nil
}

// Close stops both.
func (s *Servers) Close() error { return errors.Join(s.directory.Close(), s.app.Close()) }
