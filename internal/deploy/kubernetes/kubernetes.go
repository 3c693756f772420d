// Package kubernetes renders what the region catalog decides about the Kubernetes manifests: an overlay for each region
// over deploy/k8s/base, with the region's settings, its autoscalers and its secret store. Its tests run the real
// kustomize, kubeconform and kube-score on every overlay, and hold the manifests to the product: keys, flags, ports
// and metrics.
package kubernetes

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/regions"
)

// folder holds an overlay for each region.
const folder = "deploy/k8s/regions"

//go:embed templates
var templates embed.FS

// overlay is what the templates of a region see.
type overlay struct {
	Region  regions.Name
	Regions []regions.Name // every region of the catalog
	Zones   []string       // the region's, in every cloud that the catalog knows it in
	Scalers []scaler
}

// Render returns the files of every region's overlay. Errors name the file that cannot be rendered.
func Render(catalog *regions.Set) ([]deploy.File, error) {
	parsed, err := template.New("").Funcs(template.FuncMap{"join": join}).ParseFS(templates, "templates/*")
	if err != nil {
		return nil, fmt.Errorf("kubernetes: parse templates: %w", err)
	}
	var out []deploy.File
	for _, r := range catalog.All() {
		o := overlay{Region: r.Name, Regions: catalog.Names(), Zones: zones(r), Scalers: scalers(len(catalog.Names()))}
		for _, t := range parsed.Templates() {
			if t.Name() == "" {
				continue
			}
			name := path.Join(folder, string(r.Name), t.Name())
			var text bytes.Buffer
			if err := t.Execute(&text, o); err != nil {
				return nil, fmt.Errorf("kubernetes: render %s: %w", name, err)
			}
			out = append(out, deploy.File{Path: name, Content: text.Bytes()})
		}
	}
	slices.SortFunc(out, func(a, b deploy.File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Consul returns where an edge of the region finds the Consul of another one, by TLS, or its own: by the agent of its
// node.
func (o overlay) Consul(of regions.Name) string {
	if of == o.Region {
		return "consul:8500"
	}
	return "https://consul." + string(of) + ".meridian.internal:8501"
}

func zones(r regions.Region) []string {
	var out []string
	for _, list := range r.Zones {
		out = append(out, list...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func join(list []string) string { return strings.Join(list, ", ") }
