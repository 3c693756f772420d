package commands_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/commands"
)

func TestEveryCommandIsOffered(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	if code := cli.Run(t.Context(), []string{"--help"}, &out, &errOut, commands.All()...); code != 0 {
		t.Fatalf("exit %d: %s", code, errOut.String())
	}
	for _, want := range []string{"\n  up ", "\n  load ", "\n  bench ", "\n  drill "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not offer %q:\n%s", want, out.String())
		}
	}
}
