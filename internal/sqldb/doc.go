// Package sqldb is the one way to the SQL database: a pool, whole-transaction retries, the mapping of SQL
// errors to fault kinds, and migrations that render for CockroachDB and PostgreSQL.
//
// Its guarantees: a function given to InTx either commits exactly once, or did not happen, or InTx says
// fault.Ambiguous; every error that leaves this package for want of a healthy database is a *fault.Error.
package sqldb

// Engine is the SQL dialect and the locality features of the server.
type Engine string

// The engines.
const (
	CockroachDB Engine = "cockroachdb"
	PostgreSQL  Engine = "postgresql"
)
