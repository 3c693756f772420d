package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/regions"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.csv")
	if err := os.WriteFile(broken, []byte("date,orders\n2026-01-01,5\n2026-01-01,many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const example = "../../docs/explanation/traffic.csv"
	for _, c := range []struct {
		args    string
		code    int
		out     string
		errSays string
	}{
		{"--orders-per-second 500 --growth 3x", 0, "1500 orders/s at the peak (500 times 3)", ""},
		{"--orders-per-second 500 --growth 2.5", 0, "1250 orders/s", ""},
		{"--orders-per-second 5 --share us-east-1=50%,eu-west-1=0.3,ap-southeast-1=20%", 0, "us-east-1       50 %", ""},
		{"--orders-per-second 5 --mix browse=990,checkout=10", 0, "browse 990, product 0", ""},
		{"--orders-per-second 5 --regions us-east-1,eu-west-1,ap-southeast-1 --hot-share 0.1% --months 3 --products 5", 0, "for 5 copies and 3 months", ""},
		{"--traffic " + example + " --horizon 60 --growth 10x", 0, "FORECAST of 60 days", ""},
		{"--orders-per-second 5 --regions us-east-1", 1, "REFUSED", "[PLAN_REFUSED]"},
		{"--orders-per-second 500 --headroom none", 1, "OVER ITS LIMIT", "[PLAN_REFUSED]"},
		{"--orders-per-second 500 --fleet us-east-1=3,eu-west-1=3,ap-southeast-1=3", 1, "OVER ITS LIMIT", "checkout pods"},
		{"", 2, "", "either --orders-per-second or --traffic"},
		{"--orders-per-second 5 --traffic " + example, 2, "", "either --orders-per-second or --traffic"},
		{"--orders-per-second many", 2, "", `"many" is no number`},
		{"--orders-per-second 5 --growth x3", 2, "", `--growth: "x3" is no number`},
		{"--orders-per-second 5 --utilization 90%", 2, "", "[PLAN_INVALID]"},
		{"--orders-per-second 5 --share us-east-1=much", 2, "", "--share us-east-1"},
		{"--orders-per-second 5 --regions mars-1", 2, "", `no region "mars-1"`},
		{"--orders-per-second 5 --output xml", 2, "", "[PLAN_INVALID]"},
		{"--orders-per-second 5 --profile no-such-file", 2, "", "[FILE_UNREADABLE]"},
		{"--orders-per-second 5 --profile " + broken, 2, "", "[PROFILE_INVALID]"},
		{"--orders-per-second 5 --prices " + broken, 2, "", "[PRICES_INVALID]"},
		{"--orders-per-second 5 --regions-file " + broken, 2, "", "[CONFIG_INVALID]"},
		{"--traffic " + broken, 2, "", `line 3: "many" is no number of orders`},
		{"--traffic " + example + " --horizon 4000", 2, "", "[FORECAST_INVALID]"},
	} {
		code, out, errOut := run(t, append([]string{"plan"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errOut, c.errSays) {
			t.Errorf("%q: exit %d, printed %q and %q; want %d, %q and %q", c.args, code, out, errOut, c.code, c.out, c.errSays)
		}
	}
}

func TestPlanForPrograms(t *testing.T) {
	t.Parallel()
	_, text, _ := run(t, "plan", "--orders-per-second", "50", "--output", "json")
	var byJSON, byYAML capacity.Result
	if err := json.Unmarshal([]byte(text), &byJSON); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	_, asYAML, _ := run(t, "plan", "--orders-per-second", "50", "--output", "yaml")
	var parsed map[string]any
	if err := yaml.Unmarshal([]byte(asYAML), &parsed); err != nil {
		t.Fatalf("%v\n%s", err, asYAML)
	}
	again, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &byYAML); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]capacity.Result{"JSON": byJSON, "YAML": byYAML} {
		if !r.Plan.Accepted || len(r.Plan.Regions) != 3 || r.Plan.Regions[0].Region != regions.Name("us-east-1") || r.Plan.Cost.Month <= 0 || r.Forecast != nil {
			t.Errorf("%s: %+v", name, r.Plan)
		}
	}
}
