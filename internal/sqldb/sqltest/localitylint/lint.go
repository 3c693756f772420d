// Package localitylint proves that statements stay in one region: a tracer records every statement that a
// test runs, and Check explains each and reports those that would touch more than one region's partition.
// CockroachDB's counterpart is the session setting enforce_home_region.
package localitylint

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/regions"
)

// Recorder is a pgx tracer that keeps one example of every distinct statement. It is safe for concurrent use.
type Recorder struct {
	mu         sync.Mutex
	statements map[string][]any
}

// TraceQueryStart implements pgx.QueryTracer.
func (r *Recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.record(d.SQL, d.Args)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (r *Recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (r *Recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (r *Recorder) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	r.record(d.SQL, d.Args)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (r *Recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (r *Recorder) record(sql string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.statements == nil {
		r.statements = map[string][]any{}
	}
	if _, seen := r.statements[sql]; !seen {
		r.statements[sql] = slices.Clone(args)
	}
}

// Statements returns the distinct statements that reach tables, sorted.
func (r *Recorder) Statements() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for sql := range r.statements {
		if explainable.MatchString(sql) {
			out = append(out, sql)
		}
	}
	slices.Sort(out)
	return out
}

var explainable = regexp.MustCompile(`(?is)^\s*(select|insert|update|delete|with)\b`)

// Violation is a statement that touches several regions.
type Violation struct {
	SQL     string
	Regions []regions.Code
}

// Check explains every recorded statement on conn and returns those that touch more than one region and do not
// contain one of the allowed comments, each of which must say why: /* every-region: … */.
func (r *Recorder) Check(ctx context.Context, conn *pgx.Conn, set *regions.Set) ([]Violation, error) {
	var out []Violation
	for _, sql := range r.Statements() {
		if strings.Contains(sql, "/* every-region: ") {
			continue
		}
		touched, err := r.touched(ctx, conn, set, sql)
		if err != nil {
			return nil, err
		}
		if len(touched) > 1 {
			out = append(out, Violation{SQL: sql, Regions: touched})
		}
	}
	return out, nil
}

func (r *Recorder) touched(ctx context.Context, conn *pgx.Conn, set *regions.Set, sql string) ([]regions.Code, error) {
	r.mu.Lock()
	args := r.statements[sql]
	r.mu.Unlock()
	var plan []byte
	if err := conn.QueryRow(ctx, "EXPLAIN (FORMAT JSON) "+sql, args...).Scan(&plan); err != nil {
		return nil, fmt.Errorf("localitylint: explain %q: %w", sql, err)
	}
	var tree any
	if err := json.Unmarshal(plan, &tree); err != nil {
		return nil, fmt.Errorf("localitylint: plan of %q: %w", sql, err)
	}
	var out []regions.Code
	for _, region := range set.All() {
		if mentions(tree, "_"+string(region.Code)) {
			out = append(out, region.Code)
		}
	}
	return out, nil
}

// mentions reports whether any relation of a plan is a partition with that suffix. Foreign keys are not in
// plans; the schema keeps them inside a region by making home_region part of each.
func mentions(node any, suffix string) bool {
	switch n := node.(type) {
	case []any:
		return slices.ContainsFunc(n, func(v any) bool { return mentions(v, suffix) })
	case map[string]any:
		if name, ok := n["Relation Name"].(string); ok && strings.HasSuffix(name, suffix) {
			return true
		}
		for _, v := range n {
			if mentions(v, suffix) {
				return true
			}
		}
	}
	return false
}
