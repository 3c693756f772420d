// Package prometheus renders what Prometheus needs to know of Meridian: what to scrape, the service level objectives
// with their burn-rate alerts, and the alerts that name a region. The rules that name none are written by hand, in
// deploy/prometheus/rules. The rendered files are a pure function of the catalog.
//
// Every target has the label cloud_region, which says where the process runs. It is not called region, because edges
// have a label region that says which region they speak about.
package prometheus

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"text/template"

	"github.com/meridian-commerce/meridian/internal/deploy"
	"github.com/meridian-commerce/meridian/regions"
)

//go:embed *.tmpl
var templates embed.FS

// Scrape is what a Prometheus configuration says about targets.
type Scrape struct {
	Title   string
	Consuls []string // host:port of each region's Consul, where stacks register; what is not in Consul comes from files
	Static  []Static // targets that are known beforehand
	Every   string   // between scrapes and between evaluations
}

// Static is a target that the configuration names.
type Static struct {
	Job, Name, Address string
	Region             regions.Name // "" outside every region
}

// Render returns the files of a catalog. The error names a template.
func Render(c *regions.Set) ([]deploy.File, error) {
	t, err := template.New("").Option("missingkey=error").ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("prometheus: templates: %w", err)
	}
	var files []deploy.File
	for _, f := range []struct {
		template, path string
		data           any
	}{
		{"prometheus.yml.tmpl", "deploy/prometheus/prometheus.yml", deployed(c)},
		{"prometheus.yml.tmpl", "deploy/prometheus/simulation.yml", simulated(c)},
		{"slo.yml.tmpl", "deploy/prometheus/rules/slo.yml", slo{Objectives(), Windows()}},
		{"regions.yml.tmpl", "deploy/prometheus/rules/regions.yml", c.All()},
	} {
		var out bytes.Buffer
		if err := t.ExecuteTemplate(&out, f.template, f.data); err != nil {
			return nil, fmt.Errorf("prometheus: %s: %w", f.path, err)
		}
		files = append(files, deploy.File{Path: f.path, Content: out.Bytes()})
	}
	return files, nil
}

// deployed scrapes what runs in a cloud: stacks by Consul, and the rest by files that the deployment writes.
func deployed(c *regions.Set) Scrape {
	s := Scrape{Title: "What runs in the cloud", Every: "15s"}
	for _, r := range c.All() {
		s.Consuls = append(s.Consuls, fmt.Sprintf("consul.%s.meridian.internal:8501", r.Name))
	}
	return s
}

// simulated scrapes a simulation whose network offset is 0: the last byte of an edge's address is 10, its stacks' follow.
// It asks no Consul, since not every build of Prometheus can.
func simulated(c *regions.Set) Scrape {
	s := Scrape{Title: "A simulation that `meridian-sim up` started", Every: "5s"}
	add := func(job, name string, r regions.Region, host byte) {
		address := r.Loopback.Addr().As4()
		address[3] = host
		s.Static = append(s.Static, Static{job, name, netip.AddrPortFrom(netip.AddrFrom4(address), adminPort).String(), r.Name})
	}
	for _, r := range c.All() {
		for i := range byte(2) {
			add("meridian-stack", fmt.Sprintf("%s-stack-%d", r.Name, i+1), r, 11+i)
		}
	}
	for _, r := range c.All() {
		add("meridian-edge", string(r.Name)+"-edge", r, 10)
	}
	s.Static = append(s.Static, Static{Job: "meridian-provider", Name: "provider", Address: "127.0.0.2:9090"})
	return s
}

const adminPort = 9090

// Jobs returns the static targets by job, in the order in which the jobs first come.
func (s Scrape) Jobs() []Job {
	var out []Job
	for _, t := range s.Static {
		if n := len(out); n == 0 || out[n-1].Name != t.Job {
			out = append(out, Job{Name: t.Job})
		}
		last := &out[len(out)-1]
		last.Targets = append(last.Targets, t)
	}
	return out
}

// Job is the static targets of one job.
type Job struct {
	Name    string
	Targets []Static
}
