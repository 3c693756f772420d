// Package prometheus renders what Prometheus needs to know of Meridian: what to scrape of a simulation, the service level
// objectives with their burn-rate alerts, the alerts that name a region, and the rules as resources of the Prometheus
// operator. The rules that name no region are written by hand, in deploy/prometheus/rules; those in its folder global
// are for where all regions come together. The rendered files are a pure function of the catalog and the rules.
//
// Every target has the label cloud_region, which says where the process runs. It is not called region, because edges
// have a label region that says which region they speak about.
package prometheus

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"net/netip"
	"text/template"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/regions"
)

//go:embed *.tmpl
var templates embed.FS

// scrape is what a Prometheus configuration says about targets that are known beforehand.
type scrape struct {
	Title  string
	Static []static
	Every  string // between scrapes and between evaluations
}

// static is a target that the configuration names.
type static struct {
	Job, Name, Address string
	Region             regions.Name // "" outside every region
}

// Render returns the files of a catalog, with the rules written by hand that the repository at root has. The error names
// a file or a template.
func Render(c *regions.Set, root fs.FS) ([]deploy.File, error) {
	t, err := template.New("").Option("missingkey=error").ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("prometheus: templates: %w", err)
	}
	var files []deploy.File
	execute := func(name, file string, data any) error {
		var out bytes.Buffer
		if err := t.ExecuteTemplate(&out, name, data); err != nil {
			return fmt.Errorf("prometheus: %s: %w", file, err)
		}
		files = append(files, deploy.File{Path: file, Content: out.Bytes()})
		return nil
	}
	for _, f := range []struct {
		template, path string
		data           any
	}{
		{"prometheus.yml.tmpl", "deploy/prometheus/simulation.yml", simulated(c)},
		{"slo.yml.tmpl", rules + "/slo.yml", slo{Objectives(), Windows()}},
		{"targets.yml.tmpl", rules + "/targets.yml", Jobs()},
		{"places.yml.tmpl", rules + "/regions.yml", c.All()},
		{"regions.yml.tmpl", rules + "/global/regions.yml", c.All()},
	} {
		if err := execute(f.template, f.path, f.data); err != nil {
			return nil, err
		}
	}
	of, err := ofARegion(root, files)
	if err != nil {
		return nil, err
	}
	err = execute("rules.yaml.tmpl", resources, of)
	return files, err
}

// simulated scrapes a simulation whose network offset is 0: the last byte of an edge's address is 10, its stacks' follow.
func simulated(c *regions.Set) scrape {
	s := scrape{Title: "A simulation that `meridian-sim up` started", Every: "5s"}
	add := func(job, name string, r regions.Region, host byte) {
		address := r.Loopback.Addr().As4()
		address[3] = host
		s.Static = append(s.Static, static{job, name, netip.AddrPortFrom(netip.AddrFrom4(address), adminPort).String(), r.Name})
	}
	for _, r := range c.All() {
		for i := range byte(2) {
			add("meridian-stack", fmt.Sprintf("%s-stack-%d", r.Name, i+1), r, 11+i)
		}
	}
	for _, r := range c.All() {
		add("meridian-edge", string(r.Name)+"-edge", r, 10)
	}
	s.Static = append(s.Static, static{Job: "meridian-provider", Name: "provider", Address: "127.0.0.2:9090"})
	return s
}

const adminPort = 9090

// Groups returns the targets by job, in the order in which the jobs first come.
func (s scrape) Groups() []group {
	var out []group
	for _, t := range s.Static {
		if n := len(out); n == 0 || out[n-1].Name != t.Job {
			out = append(out, group{Name: t.Job})
		}
		last := &out[len(out)-1]
		last.Targets = append(last.Targets, t)
	}
	return out
}

// group is the targets of one job.
type group struct {
	Name    string
	Targets []static
}
