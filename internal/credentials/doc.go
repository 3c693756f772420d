// Package credentials is what a process shows to others and whom it believes: certificates and their keys, authorities,
// passwords. All of it is in files that something else writes, and writes anew while the process runs.
//
//	callers ──▶ edge       Pair, or package acme: the certificate of the edge's port
//	edge ──▶ stack         Identity: mutual TLS by a private authority
//	stack ──▶ Redis, Kafka ClientTLS and Password
//
// Stacks come and go at any address, so the names between edges and stacks say what a process is and not where it runs:
//
//	edge  ── edge.meridian.internal ──▶ ◀── stack.meridian.internal ──  stack
//
// What it promises: a stack answers nobody but an edge, whose word on who calls it believes; an edge tells nobody but
// a stack. Files are taken up anew when they change, without a connection or a request lost: connections that exist
// stay as they are, new ones get the new certificate. Files that cannot be read or do not belong together are reported,
// and those before stay in use, so that a renewal that writes one file after the other does no harm. An authority file
// may hold the old and the new authority while one follows the other.
package credentials
