// Package grafana renders Grafana's dashboards and the files that provision them. They are code so that a test can hold
// every query against the metrics that exist, and so that a new region in the catalog is on every dashboard.
package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/regions"
)

// Render returns the dashboards of a catalog and the provisioning files.
func Render(c *regions.Set) ([]deploy.File, error) {
	var files []deploy.File
	for _, b := range []*board{global(c), region(c), services(c), edges(c), database(c), cache(c), events(c), business(c)} {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(b.dashboard); err != nil {
			return nil, fmt.Errorf("grafana: %s: %w", b.UID, err)
		}
		files = append(files, deploy.File{Path: "deploy/grafana/dashboards/" + b.UID + ".json", Content: out.Bytes()})
	}
	return files, nil
}
