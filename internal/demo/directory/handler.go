package directory

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/jimlambrt/gldap"
)

// handler answers requests. The library runs each in a goroutine of its own,
// and does not catch their panics.
type handler struct {
	tree   *tree
	closed *atomic.Bool
	nonce  string

	bound sync.Map // connection ID → folded DN
}

func (h *handler) routes() (*gldap.Mux, error) {
	mux, err := gldap.NewMux()
	if err != nil {
		return nil, err
	}
	return mux, errors.Join(
		mux.Bind(h.bind), mux.Search(h.search), mux.Add(h.add), mux.Modify(h.modify), mux.Delete(h.delete),
		mux.DefaultRoute(func(w *gldap.ResponseWriter, r *gldap.Request) {
			_ = w.Write(r.NewResponse(gldap.WithResponseCode(ldap.LDAPResultUnwillingToPerform), gldap.WithDiagnosticMessage("not supported")))
		}))
}

func (h *handler) forget(connection int) { h.bound.Delete(connection) }

// run carries out an operation and returns its result code and message.
func (h *handler) run(do func() error) (code int, message string) {
	defer func() {
		if p := recover(); p != nil {
			code, message = ldap.LDAPResultOther, "internal error"
		}
	}()
	if h.closed.Load() {
		return ldap.LDAPResultUnavailable, "the demo directory has closed"
	}
	err := do()
	var r *result
	switch {
	case err == nil:
		return ldap.LDAPResultSuccess, ""
	case errors.As(err, &r):
		return r.code, r.message
	}
	return ldap.LDAPResultProtocolError, "request not understood"
}

func (h *handler) who(r *gldap.Request) string {
	dn, _ := h.bound.Load(r.ConnectionID())
	s, _ := dn.(string)
	return s
}

// mayWrite lets the administrator write and no one else.
func (h *handler) mayWrite(r *gldap.Request) error {
	switch h.who(r) {
	case h.tree.admin:
		return nil
	case "":
		return no(ldap.LDAPResultStrongAuthRequired, "modifications require authentication")
	}
	return no(ldap.LDAPResultInsufficientAccessRights, "no write access")
}

func (h *handler) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	code, message := h.run(func() error {
		h.forget(r.ConnectionID()) // a failed bind leaves the connection anonymous (RFC 4513 §4)
		m, err := r.GetSimpleBindMessage()
		if err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		dn, err := h.tree.authenticate(m.UserName, string(m.Password))
		if err != nil {
			return err
		}
		h.bound.Store(r.ConnectionID(), dn)
		return nil
	})
	response := r.NewBindResponse(gldap.WithResponseCode(code))
	response.SetDiagnosticMessage(message)
	_ = w.Write(response)
}

func (h *handler) add(w *gldap.ResponseWriter, r *gldap.Request) {
	code, message := h.run(func() error {
		if err := h.mayWrite(r); err != nil {
			return err
		}
		m, err := r.GetAddMessage()
		if err != nil {
			return fmt.Errorf("add: %w", err)
		}
		attributes := map[string][]string{}
		for _, a := range m.Attributes {
			attributes[a.Type] = append(attributes[a.Type], a.Vals...)
		}
		return h.tree.add(m.DN, attributes)
	})
	answer(w, r, ldap.ApplicationAddResponse, code, message)
}

func (h *handler) modify(w *gldap.ResponseWriter, r *gldap.Request) {
	code, message := h.run(func() error {
		if err := h.mayWrite(r); err != nil {
			return err
		}
		m, err := r.GetModifyMessage()
		if err != nil {
			return fmt.Errorf("modify: %w", err)
		}
		var modifications []modification
		for _, c := range m.Changes {
			values, err := octets(c.Modification.Vals)
			if err != nil {
				return err
			}
			modifications = append(modifications, modification{c.Operation, c.Modification.Type, values})
		}
		return h.tree.modify(m.DN, modifications)
	})
	answer(w, r, ldap.ApplicationModifyResponse, code, message)
}

func (h *handler) delete(w *gldap.ResponseWriter, r *gldap.Request) {
	code, message := h.run(func() error {
		if err := h.mayWrite(r); err != nil {
			return err
		}
		m, err := r.GetDeleteMessage()
		if err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		return h.tree.delete(m.DN)
	})
	answer(w, r, ldap.ApplicationDelResponse, code, message)
}

func answer(w *gldap.ResponseWriter, r *gldap.Request, application, code int, message string) {
	_ = w.Write(r.NewResponse(gldap.WithApplicationCode(application), gldap.WithResponseCode(code), gldap.WithDiagnosticMessage(message)))
}

// octets decodes the values of a modification: the library hands on the
// encoded set of them as one string.
func octets(sets []string) ([]string, error) {
	var values []string
	for _, set := range sets {
		for in := strings.NewReader(set); in.Len() > 0; {
			p, err := ber.ReadPacket(in)
			if err != nil || p.Tag != ber.TagOctetString {
				return nil, no(ldap.LDAPResultProtocolError, "bad values")
			}
			values = append(values, p.Data.String())
		}
	}
	return values, nil
}

func (h *handler) search(w *gldap.ResponseWriter, r *gldap.Request) {
	var paging *gldap.ControlPaging
	code, message := h.run(func() error {
		m, err := r.GetSearchMessage()
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		q := query{
			base: m.BaseDN, scope: int(m.Scope), filter: m.Filter, attributes: m.Attributes,
			typesOnly: m.TypesOnly, sizeLimit: int(m.SizeLimit),
		}
		for _, c := range m.Controls {
			if p, ok := c.(*gldap.ControlPaging); ok {
				q.pageSize, q.after = int(p.PagingSize), string(p.Cookie)
				paging = &gldap.ControlPaging{}
			}
		}
		entries, err := h.find(r, q, paging)
		for _, e := range entries {
			response := r.NewSearchResponseEntry(e.dn)
			for _, s := range q.selected(e) {
				response.AddAttribute(s.name, s.values)
			}
			if err := w.Write(response); err != nil {
				return fmt.Errorf("search: %w", err)
			}
		}
		return err
	})
	done := r.NewSearchDoneResponse(gldap.WithResponseCode(code))
	done.SetDiagnosticMessage(message)
	if paging != nil && code == ldap.LDAPResultSuccess {
		done.SetControls(paging)
	}
	_ = w.Write(done)
}

// find returns what a search finds, and sets where the next page starts.
func (h *handler) find(r *gldap.Request, q query, paging *gldap.ControlPaging) ([]*entry, error) {
	if q.base == "" && q.scope == ldap.ScopeBaseObject {
		return []*entry{h.rootDSE()}, nil // for everybody (RFC 4512 §5.1)
	}
	if h.who(r) == "" {
		return nil, no(ldap.LDAPResultInsufficientAccessRights, "sign in first")
	}
	if strings.EqualFold(q.base, "cn=subschema") {
		return []*entry{subschema()}, nil
	}
	entries, next, err := h.tree.search(q)
	if paging != nil {
		paging.Cookie = []byte(next)
	}
	return entries, err
}

func (h *handler) rootDSE() *entry {
	return &entry{"", map[string][]string{
		"objectClass":          {"top"},
		"namingContexts":       {h.tree.base},
		"subschemaSubentry":    {"cn=Subschema"},
		"supportedLDAPVersion": {"3"},
		"supportedControl":     {ldap.ControlTypePaging},
		"vendorName":           {"behov demo"},
		"vendorVersion":        {h.nonce},
	}}
}
