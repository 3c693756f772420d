// Package infrastructure reads a Terraform plan and finds in it what must not be applied: a port that is open to the
// world, data at rest that is not encrypted, a region that lacks what the others have. It looks at every resource of
// every module, so that what nobody thought of is found as well; what a plan does not know yet counts as set, never
// as safe.
package infrastructure
