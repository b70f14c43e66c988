// Package rules holds the Casbin model and the example policy. It must never
// hold code that decides: that is internal/policy's.
package rules

import "embed"

// Model is the Casbin model that behov evaluates.
//
//go:embed model.conf
var Model string

// Example is a complete example configuration, as `behov init` writes it.
//
//go:embed all:example
var Example embed.FS
