package graph

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// licencePrefix begins the name of a licence as an entitlement.
const licencePrefix = "licence:"

// skus returns the tenant's licences, by their part number.
func (c *Connector) skus(ctx context.Context) (map[string]uuid.UUID, error) {
	all := map[string]uuid.UUID{}
	err := pages[models.SubscribedSkuCollectionResponseable](ctx, c, c.build.listSKUs(), models.CreateSubscribedSkuCollectionResponseFromDiscriminatorValue, func(k models.SubscribedSkuable) error {
		if k.GetSkuId() == nil || k.GetSkuPartNumber() == nil {
			return connectors.Errorf(connectors.Permanent, "graph: read licences: a licence in the answer has no skuId or skuPartNumber")
		}
		if k.GetAppliesTo() != nil && *k.GetAppliesTo() == "Company" {
			return nil // assigned to the tenant, not to users
		}
		all[*k.GetSkuPartNumber()] = *k.GetSkuId()
		return nil
	})
	return all, err
}

// skusOf returns the licences that a user has, directly or through a group.
func skusOf(u models.Userable) []string {
	var ids []string
	for _, l := range u.GetAssignedLicenses() {
		if l.GetSkuId() != nil {
			ids = append(ids, l.GetSkuId().String())
		}
	}
	return ids
}

// licences emits licences and which accounts have them.
func (s *reading) licences(ctx context.Context) error {
	if !s.c.cfg.Licences {
		return nil
	}
	skus, err := s.c.skus(ctx)
	if err != nil {
		return err
	}
	return s.emitLicences(skus)
}

func (s *reading) emitLicences(skus map[string]uuid.UUID) error {
	names := map[string]string{}
	for _, part := range slices.Sorted(maps.Keys(skus)) {
		names[skus[part].String()] = licencePrefix + part
		if err := s.sink.Entitlement(connectors.Entitlement{Name: licencePrefix + part}); err != nil {
			return err
		}
	}
	for _, a := range s.assigned {
		if name := names[a.sku]; name != "" {
			if err := s.sink.Membership(connectors.Membership{Entitlement: name, AccountID: a.user}); err != nil {
				return err
			}
		}
	}
	return nil
}
