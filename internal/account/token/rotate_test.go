package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRotation takes a key from its publication to its being the only one. While a step is brought to processes, those that
// have it and those that have not take each other's tokens; who skips a step does not.
func TestRotation(t *testing.T) {
	t.Parallel()
	before := generate(t)
	published, err := before.Publish(at(epoch.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	fresh := published.Keys()[0]
	if published.Signer() != before.Signer() || fresh.Signs || !fresh.Created.Equal(epoch.Add(time.Hour)) {
		t.Fatalf("a published key: %+v, and %s signs", fresh, published.Signer())
	}
	signing, err := published.SignWith(fresh.ID)
	if err != nil {
		t.Fatal(err)
	}
	retired, err := signing.Only()
	if err != nil || len(retired.Keys()) != 1 || retired.Signer() != fresh.ID {
		t.Fatalf("retired: %v, %v", retired, err)
	}
	steps := []KeySet{before, published, signing, retired}
	for i, signs := range steps {
		token := issue(t, signs, ada, time.Minute)
		for j, knows := range steps {
			_, err := verifierOf(t, knows.Public(), at(epoch)).Verify(token)
			// Of the former key until it is retired, of the new one once it is published.
			if want := i <= 1 && j <= 2 || i >= 2 && j >= 1; (err == nil) != want {
				t.Errorf("step %d signs and step %d verifies: %v", i, j, err)
			}
		}
	}
}

func TestSignWithRefuses(t *testing.T) {
	t.Parallel()
	s := generate(t)
	for name, refused := range map[string]func() (KeySet, error){
		"an unknown key":           func() (KeySet, error) { return s.SignWith("nobody") },
		"a key without its secret": func() (KeySet, error) { return s.Public().SignWith(s.Signer()) },
		"nothing but public keys":  func() (KeySet, error) { return s.Public().Only() },
	} {
		if _, err := refused(); !errors.Is(err, ErrKeySet) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSucceeds(t *testing.T) {
	t.Parallel()
	s := generate(t)
	next, err := s.Publish(at(epoch))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(next.Succeeds(s), s.Succeeds(next), next.Public().Succeeds(s), s.Succeeds(s)); err != nil {
		t.Errorf("sets with a key in common: %v", err)
	}
	if err := generate(t).Succeeds(next); !errors.Is(err, ErrKeySet) || !strings.Contains(err.Error(), "none of its keys") {
		t.Errorf("a set of other keys: %v", err)
	}
	forged := generate(t)
	forged.keys[0].kid = s.keys[0].kid
	if err := forged.Succeeds(s); !errors.Is(err, ErrKeySet) || !strings.Contains(err.Error(), "another one") {
		t.Errorf("another key by the same id: %v", err)
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Standing{
		"an edge":  {Verifies: []string{"b", "a"}},
		"a signer": {Verifies: []string{"b", "a"}, Signs: "a", Longest: 90 * time.Second},
	} {
		meta := s.Metadata()
		meta["region"] = "eu-west-1"
		got, ok := ParseStanding(meta)
		if diff := cmp.Diff(s, got); diff != "" || !ok {
			t.Errorf("%s: ok %v %s", name, ok, diff)
		}
	}
	many := Standing{}
	for range 40 {
		many.Verifies = append(many.Verifies, generate(t).Signer())
	}
	said := many.Metadata()[metaVerifies]
	if got, _ := ParseStanding(many.Metadata()); len(said) > metaLimit || len(got.Verifies) != 11 || got.Verifies[0] != many.Verifies[0] {
		t.Errorf("of 40 keys %d are said, in %d bytes", len(got.Verifies), len(said))
	}
	for name, meta := range map[string]map[string]string{
		"an older release": {"region": "eu-west-1"},
		"no key":           {metaVerifies: ""},
		"no lifetime":      {metaVerifies: "a", metaSigns: "a"},
	} {
		if got, ok := ParseStanding(meta); ok {
			t.Errorf("%s says %+v", name, got)
		}
	}
}
