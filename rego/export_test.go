package rego

import "math"

// DropWalls leaves out what is found by looking at a policy's text, so that a test reaches the walls behind it.
func DropWalls() {
	mostGrowth = math.MaxInt64
	pure = append(pure, "json.patch")
}
