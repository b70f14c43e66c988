// Package rules holds the Casbin models, the default rights and the example policy. It must never
// hold code that decides: that is internal/policy's.
package rules

import "embed"

// Model is the Casbin model that behov evaluates.
//
//go:embed model.conf
var Model string

// RightsModel is the Casbin model of who may decide what.
//
//go:embed rights.conf
var RightsModel string

// Rights are the rights that every installation begins with.
//
//go:embed rights.csv
var Rights string

// Example is a complete example configuration, as `behov init` writes it.
//
//go:embed all:example
var Example embed.FS
