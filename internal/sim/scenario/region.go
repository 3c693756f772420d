package scenario

import _ "embed"

//go:embed region.yaml
var oneRegion []byte

// OneRegion is the catalog of a simulation of one region: what it cannot do is not done elsewhere, and no request costs
// more for its way to another one.
func OneRegion() []byte { return oneRegion }
