package localitylint_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
)

func TestMissingFindsWhatNoTestRan(t *testing.T) {
	t.Parallel()
	const code = "package p\n\nconst ran = `SELECT a FROM t WHERE home_region = $1`\n\n" +
		"const part = `SELECT ` + columns + ` FROM t`\n\nconst notRun = `DELETE FROM t WHERE home_region = $1`\n\nconst prose = `UPDATE it SET by hand`\n"
	folder := t.TempDir()
	for name, text := range map[string]string{"p.go": code, "p_test.go": "package p\n\nconst fixture = `SELECT b FROM t`\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recorder := &localitylint.Recorder{}
	recorder.TraceQueryStart(context.Background(), nil, pgx.TraceQueryStartData{SQL: "SELECT a FROM t WHERE home_region = $1 FOR UPDATE"})
	got, err := recorder.Missing(folder)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"DELETE FROM t WHERE home_region = $1", "UPDATE it SET by hand"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := recorder.Missing(filepath.Join(folder, "none")); err == nil {
		t.Error("a folder without code was accepted")
	}
}
