package infrastructure

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/deploy/kubernetes"
	"github.com/meridian-commerce/meridian/regions"
)

// scraped returns what the Prometheus of each region finds outside of its cluster, by the overlays' own resources: the ports
// of names.
func scraped(catalog *regions.Set) (map[string]map[string]int, error) {
	files, err := kubernetes.Render(catalog)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]int{}
	for _, f := range files {
		if path.Base(f.Path) != "scrape.yaml" {
			continue
		}
		names := map[string]int{}
		for dec := yaml.NewDecoder(bytes.NewReader(f.Content)); ; {
			var one struct {
				Spec struct {
					DNS []struct {
						Names []string
						Port  int
					} `yaml:"dnsSDConfigs"`
				}
			}
			if err := dec.Decode(&one); err != nil {
				break // the end; kubeconform reads the same files
			}
			for _, d := range one.Spec.DNS {
				for _, name := range d.Names {
					if !strings.HasSuffix(name, ".svc") {
						names[name] = d.Port
					}
				}
			}
		}
		out[path.Base(path.Dir(f.Path))] = names
	}
	return out, nil
}

// Unscraped returns what the Prometheus of a region is told to scrape and the plan does not name, or does not let it reach from
// the region's pods; and what lets one region scrape another.
func Unscraped(p *Plan, catalog *regions.Set) []string {
	open, named := map[string]bool{}, map[string]bool{}
	var out []string
	for _, c := range p.managed("aws_vpc_security_group_ingress_rule") {
		open[c.Address] = true
		if c.text("from_port") == "9090" {
			out = append(out, c.Address+": lets another region scrape")
		}
	}
	for _, c := range p.managed("aws_route53_record") {
		named[c.text("name")] = true
	}
	found, err := scraped(catalog)
	if err != nil || len(found) != len(catalog.Names()) {
		return append(out, fmt.Sprintf("what is scraped in %d regions: %v", len(found), err))
	}
	for _, region := range catalog.Names() {
		if len(found[string(region)]) == 0 {
			out = append(out, fmt.Sprintf("%s: Prometheus scrapes no machine", region))
		}
		for name, port := range found[string(region)] {
			way := fmt.Sprintf("%s: Prometheus to %s at %d: ", region, name, port)
			group, _, _ := strings.Cut(name, ".")
			rule := fmt.Sprintf(`module.region["%s"].module.firewall.aws_vpc_security_group_ingress_rule.this["%s-tcp-%d-pods`, region, group, port)
			if !open[rule+`"]`] && !open[rule+"-"+string(region)+`"]`] {
				out = append(out, way+"there is no rule "+rule)
			}
			if !named[name] {
				out = append(out, way+"nothing has that name")
			}
		}
	}
	return out
}

// Skewed returns the groups of Kubernetes nodes that an upgrade of their control plane would leave behind.
func Skewed(p *Plan) []string {
	control := map[string]string{} // by region
	for _, c := range p.managed("aws_eks_cluster") {
		control[c.text("region")] = c.text("version")
	}
	var out []string
	for _, c := range p.managed("aws_eks_node_group") {
		if got, want := c.text("version"), control[c.text("region")]; got != want || got == "" {
			out = append(out, fmt.Sprintf("%s: is of version %q, its control plane of %q", c.Address, got, want))
		}
	}
	return out
}

// Entered returns the load balancers of edges that callers reach beside Global Accelerator, or that they do not reach at all.
func Entered(p *Plan) []string {
	accelerated := len(p.managed("aws_globalaccelerator_endpoint_group")) > 0
	var out []string
	for _, c := range p.managed("aws_lb") {
		if internal := c.text("internal"); strings.HasSuffix(c.Address, ".aws_lb.edge") && internal != fmt.Sprint(accelerated) {
			out = append(out, fmt.Sprintf("%s: internal is %s, with Global Accelerator before it: %v", c.Address, internal, accelerated))
		}
	}
	return out
}
