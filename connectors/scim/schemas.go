package scim

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/elimity-com/scim/schema"

	"github.com/behov/behov/connectors"
)

// rule is what a service's schema defines for an attribute.
type rule struct {
	matching connectors.Matching
	readOnly bool
}

// Matching implements connectors.Matcher: from the service's own schemas once
// they have been read (RFC 7643 §7), before that from the standard's.
func (c *Connector) Matching() map[string]connectors.Matching {
	all := make(map[string]connectors.Matching, len(c.attributes)+1)
	for _, p := range c.attributes {
		all[p.text] = c.rule(p).matching
	}
	all[connectors.EntitlementName] = connectors.MatchIgnoreCase // displayName is not caseExact (RFC 7643 §4.2, §8.7.1)
	return all
}

// rule returns what is known about an attribute.
func (c *Connector) rule(p path) rule {
	c.service.mu.Lock()
	known := c.service.matching
	c.service.mu.Unlock()
	if r, ok := known[p.schemaKey()]; ok {
		return r
	}
	return standardRule(p)
}

// standardRule returns the standard's rule. An unknown attribute is compared
// exactly.
func standardRule(p path) rule {
	attributes := coreSchema.Attributes
	switch {
	case p.urn == enterpriseURN:
		attributes = enterpriseSchema.Attributes
	case p.urn != "":
		return rule{matching: connectors.MatchExact}
	}
	a, ok := attributes.ContainsAttribute(p.attr)
	if ok && p.sub != "" {
		a, ok = a.SubAttributes().ContainsAttribute(p.sub)
	}
	if !ok {
		return rule{matching: connectors.MatchExact}
	}
	return rule{matching: matchingOf(a.AttributeType(), a.CaseExact())}
}

func matchingOf(kind string, caseExact bool) connectors.Matching {
	switch strings.ToLower(kind) {
	case "string":
		if !caseExact {
			return connectors.MatchIgnoreCase
		}
	case "datetime":
		return connectors.MatchTime
	case "boolean":
		return connectors.MatchBoolean
	}
	return connectors.MatchExact
}

func (p path) schemaKey() string {
	urn := p.urn
	if urn == "" {
		urn = userURN
	}
	return schemaKey(urn, p.attr, p.sub)
}

func schemaKey(urn, attr, sub string) string {
	return strings.ToLower(urn + ":" + attr + "." + sub)
}

// readSchemas reads the service's schemas once. A service that publishes none is
// assumed to have the standard's.
func (c *Connector) readSchemas(ctx context.Context) error {
	c.service.mu.Lock()
	known := c.service.matching != nil
	c.service.mu.Unlock()
	if known {
		return nil
	}
	a, err := c.send(ctx, request{doing: "ask for the schemas", path: "Schemas"})
	if err != nil && !errors.Is(err, errForbidden) {
		return err
	}
	rules := map[string]rule{}
	if err == nil && a.status == http.StatusOK {
		list, _ := a.body.field("Resources").([]any)
		for _, e := range list {
			s := asObject(e)
			attributes, _ := s.field("attributes").([]any)
			for _, e := range attributes {
				a := asObject(e)
				name := text(a.field("name"))
				rules[schemaKey(s.id(), name, "")] = ruleOf(a)
				parts, _ := a.field("subAttributes").([]any)
				for _, e := range parts {
					rules[schemaKey(s.id(), name, text(asObject(e).field("name")))] = ruleOf(asObject(e))
				}
			}
		}
	}
	c.service.mu.Lock()
	defer c.service.mu.Unlock()
	c.service.matching = rules
	return nil
}

func ruleOf(a resource) rule {
	exact, _ := asBool(text(a.field("caseExact")))
	return rule{matching: matchingOf(text(a.field("type")), exact), readOnly: strings.EqualFold(text(a.field("mutability")), "readOnly")}
}

// checkAttributes checks that the service has the managed attributes, as far as
// it publishes them.
func (c *Connector) checkAttributes(ctx context.Context) error {
	if err := c.readSchemas(ctx); err != nil {
		return err
	}
	c.service.mu.Lock()
	rules := c.service.matching
	c.service.mu.Unlock()
	for _, p := range c.attributes {
		urn := p.urn
		if urn == "" {
			urn = userURN
		}
		says := false
		for key := range rules {
			says = says || strings.HasPrefix(key, strings.ToLower(urn)+":")
		}
		r, ok := rules[p.schemaKey()]
		switch {
		case !says && (urn == userURN || len(rules) == 0):
			// The service does not publish its User schema.
		case !ok:
			return connectors.Errorf(connectors.Permanent, "scim: the service has no attribute %s: remove it from attributes, or use the name in the service's schema", p.text)
		case r.readOnly && p.urn != schema.UserSchema:
			return connectors.Errorf(connectors.Permanent, "scim: the attribute %s is read-only on the service: remove it from attributes", p.text)
		}
	}
	return nil
}
