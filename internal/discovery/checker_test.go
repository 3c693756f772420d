package discovery

import (
	"testing"

	"pgregory.net/rapid"
)

func TestChecker(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ probes, health string }{
		"first success rises":     {"+", "+"},
		"first failure stays":     {"-", "-"},
		"then two successes rise": {"-+", "--"},
		"falls after two":         {"+--", "++-"},
		"one failure is forgiven": {"+-+-+", "+++++"},
		"rises after two":         {"+--+-++", "++----+"},
		"failed falls at once":    {"+x", "+-"},
		"failed rises as usual":   {"+x++", "+--+"},
		"failed before probes":    {"x+", "--"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c checker
			health := ""
			for _, p := range tc.probes {
				if p == 'x' {
					c.fail()
				} else {
					c.observe(p == '+')
				}
				health += map[bool]string{true: "+", false: "-"}[c.healthy]
			}
			if health != tc.health {
				t.Errorf("%s: got %s, want %s", tc.probes, health, tc.health)
			}
		})
	}
}

func TestCheckerProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c checker
		var row []bool
		for _, ok := range rapid.SliceOfN(rapid.Bool(), 1, 40).Draw(t, "probes") {
			before := c.healthy
			if changed := c.observe(ok); changed != (c.healthy != before) {
				t.Fatal("observe does not report the change that it made")
			}
			row = append(row, ok)
			if n := len(row); n >= 2 && row[n-1] == row[n-2] && c.healthy != ok {
				t.Fatalf("after %v it is %v", row, c.healthy)
			}
		}
	})
}
