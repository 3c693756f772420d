package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
)

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "auth.json"), filepath.Join(dir, "jwks.json")
	if code, _, errOut := run(t, "keys", "generate", "--dir", dir); code != 0 {
		t.Fatal(errOut)
	}
	if code, printed, errOut := run(t, "keys", "public", "--in", in, "--out", out); code != 0 || printed != "" {
		t.Fatalf("exit %d: %s%s", code, printed, errOut)
	}
	text, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(text), `"d"`) {
		t.Fatalf("the public set shows a secret (%v)", err)
	}
	if _, printed, _ := run(t, "keys", "public", "--in", in); printed != string(text) {
		t.Errorf("printed %q, wrote %q", printed, text)
	}
	private, err := token.Load(in)
	if err != nil {
		t.Fatal(err)
	}
	public, err := token.Load(out)
	if err != nil || public.Signs() || !private.Signs() {
		t.Fatalf("the public set signs: %t, the other: %t (%v)", public.Signs(), private.Signs(), err)
	}
	issuer, err := token.NewIssuer(private, clock.System())
	if err != nil {
		t.Fatal(err)
	}
	text2, _, err := issuer.Issue(token.Claims{Subject: "usr_eu1_a", Home: "eu-west-1", Currency: "EUR"}, 60e9)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := token.NewVerifier(public, clock.System())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(text2); err != nil {
		t.Errorf("the public set does not verify what the other signed: %v", err)
	}
	if code, _, errOut := run(t, "keys", "public", "--in", filepath.Join(dir, "absent")); code != 2 || !strings.Contains(errOut, "KEYS_UNUSABLE") {
		t.Errorf("of no file: exit %d: %s", code, errOut)
	}
}
