// Package migrations holds the schema as templates that render for both SQL engines; package sqldb renders
// and runs them. One statement to a file: CockroachDB's schema changes are not transactional with each other.
package migrations

import "embed"

// Files are the templates, NNNNN_name.sql, in goose's format.
//
//go:embed *.sql
var Files embed.FS
