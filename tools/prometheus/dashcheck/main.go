// Command dashcheck holds Grafana dashboards against the types that Grafana publishes of its dashboard schema: every
// field of every dashboard, panel, panel option and query must exist there and be of its type. It prints what does
// not fit, and then ends with code 1.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	if !check(os.Args[1:], os.Stdout) {
		os.Exit(1)
	}
}

// checkFile returns what is wrong with a dashboard. The library returns an empty list of errors for none.
func checkFile(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		return err
	}
	if err := d.Validate(); err != nil && err.Error() != "" {
		return err
	}
	return nil
}

func check(files []string, out io.Writer) bool {
	good := len(files) > 0
	for _, file := range files {
		if err := checkFile(file); err != nil {
			fmt.Fprintf(out, "%s: %v\n", file, err)
			good = false
		}
	}
	return good
}
