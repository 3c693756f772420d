package infrastructure

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meridian-commerce/meridian/regions"
)

// OpenPorts returns what lets the whole Internet in at another port than 443 over TCP, or what may.
func OpenPorts(p *Plan) []string {
	var out []string
	for _, c := range p.managed("aws_vpc_security_group_ingress_rule", "aws_security_group_rule", "aws_security_group", "aws_default_security_group") {
		block, protocol := "", "ip_protocol"
		networks := []string{"cidr_ipv4", "cidr_ipv6"}
		switch c.Type {
		case "aws_security_group_rule":
			if c.text("type") == "egress" {
				continue
			}
			networks, protocol = []string{"cidr_blocks", "ipv6_cidr_blocks"}, "protocol"
		case "aws_security_group", "aws_default_security_group":
			block, protocol = "ingress.", "protocol"
			networks = []string{"ingress.cidr_blocks", "ingress.ipv6_cidr_blocks"}
			if c.Change.Unknown["ingress"] == true { // none is said: what others add is their own resource
				continue
			}
		}
		ports := fmt.Sprintf("%v %v-%v", c.at(block+protocol), c.at(block+"from_port"), c.at(block+"to_port"))
		if ports == "[tcp] [443]-[443]" {
			continue
		}
		for _, name := range networks {
			for _, network := range c.at(name) {
				if _, isUnknown := network.(unknown); isUnknown && c.Type != "aws_vpc_security_group_ingress_rule" || isWorld(network) {
					out = append(out, fmt.Sprintf("%s: %s is open to %v", c.Address, ports, network))
				}
			}
		}
	}
	for _, c := range p.managed("aws_eks_cluster") {
		if slices.ContainsFunc(c.at("vpc_config.public_access_cidrs"), isWorld) {
			out = append(out, c.Address+": the Kubernetes API is open to the world")
		}
	}
	for _, c := range p.managed("aws_instance", "aws_launch_template") {
		if c.text("associate_public_ip_address") == "true" || c.text("network_interfaces.associate_public_ip_address") == "true" {
			out = append(out, c.Address+": the machine has a public address")
		}
		if c.text("key_name") != "" && c.text("key_name") != "unknown" {
			out = append(out, c.Address+": the machine takes an SSH key; Session Manager leads to it")
		}
	}
	return out
}

// isWorld tells a network that is most of the Internet. Halves of it count too.
func isWorld(network any) bool {
	_, bits, _ := strings.Cut(fmt.Sprint(network), "/")
	return slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7"}, bits)
}

// encryption lists, by type, what must be: an attribute that is true or required, or one that is set to anything.
func encryption() map[string][]string {
	return map[string][]string{
		"aws_ebs_volume":                    {"encrypted=true", "kms_key_id"},
		"aws_instance":                      {"root_block_device.encrypted=true", "root_block_device.kms_key_id", "metadata_options.http_tokens=required"},
		"aws_launch_template":               {"block_device_mappings.ebs.encrypted=true", "block_device_mappings.ebs.kms_key_id", "metadata_options.http_tokens=required"},
		"aws_elasticache_replication_group": {"at_rest_encryption_enabled=true", "kms_key_id", "transit_encryption_enabled=true", "transit_encryption_mode=required", "auth_token"},
		"aws_eks_cluster":                   {"encryption_config.provider.key_arn"},
		"aws_msk_cluster":                   {"encryption_info.encryption_at_rest_kms_key_arn", "encryption_info.encryption_in_transit.client_broker=TLS", "encryption_info.encryption_in_transit.in_cluster=true"},
		"aws_cloudwatch_log_group":          {"kms_key_id"},
		"aws_sns_topic":                     {"kms_master_key_id"},
		"aws_secretsmanager_secret":         {"kms_key_id"},
		"aws_kms_key":                       {"enable_key_rotation=true", "policy"},
		"aws_s3_bucket_server_side_encryption_configuration": {"rule.apply_server_side_encryption_by_default.sse_algorithm=aws:kms"},
		"aws_s3_bucket_public_access_block":                  {"block_public_acls=true", "block_public_policy=true", "ignore_public_acls=true", "restrict_public_buckets=true"},
		"aws_cloudfront_distribution":                        {"viewer_certificate.minimum_protocol_version=TLSv1.2_2021", "default_cache_behavior.viewer_protocol_policy=https-only", "ordered_cache_behavior.viewer_protocol_policy=https-only", "origin.custom_origin_config.origin_protocol_policy=https-only"},
	}
}

// Unencrypted returns what would keep or send data in the clear, or leave a machine's credentials to whoever can make
// it fetch an address.
func Unencrypted(p *Plan) []string {
	var out []string
	rules := encryption()
	for _, c := range p.managed() {
		for _, rule := range rules[c.Type] {
			path, want, exact := strings.Cut(rule, "=")
			values := c.at(path)
			if len(values) == 0 {
				out = append(out, fmt.Sprintf("%s: %s is not set", c.Address, path))
			}
			for _, v := range values {
				if exact && fmt.Sprint(v) != want {
					out = append(out, fmt.Sprintf("%s: %s is %v, want %s", c.Address, path, v, want))
				}
			}
		}
	}
	buckets := len(p.managed("aws_s3_bucket"))
	for _, t := range []string{"aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_public_access_block", "aws_s3_bucket_policy"} {
		if n := len(p.managed(t)); n != buckets {
			out = append(out, fmt.Sprintf("%d buckets, but %d of %s", buckets, n, t))
		}
	}
	return out
}

// once lists what exists in one region by design, and why.
func once() map[string]string {
	return map[string]string{
		"aws_secretsmanager_secret.shared":                            "replicated by the service",
		"aws_secretsmanager_secret_version.peer":                      "replicated by the service",
		"aws_vpc_peering_connection":                                  "one for each pair of regions",
		"aws_vpc_peering_connection_accepter":                         "one for each pair of regions",
		"module.database.aws_secretsmanager_secret.bootstrap":         "the first node makes the cluster",
		"module.database.aws_secretsmanager_secret_version.bootstrap": "the first node makes the cluster",
		"module.database.aws_ssm_parameter.state":                     "the first node makes the cluster",
		"module.consul.aws_secretsmanager_secret.bootstrap":           "the first server makes the tokens",
		"module.consul.aws_secretsmanager_secret_version.bootstrap":   "the first server makes the tokens",
		"module.consul.aws_secretsmanager_secret.operator":            "tokens are copied by Consul",
		"module.consul.aws_secretsmanager_secret_version.operator":    "tokens are copied by Consul",
		"module.global.aws_acm_certificate.api":                       "exported to every region",
		"module.global.aws_acm_certificate_validation.api":            "exported to every region",
		"module.cdn.aws_acm_certificate.this":                         "CloudFront takes it from one region",
		"module.cdn.aws_acm_certificate_validation.this":              "CloudFront takes it from one region",
	}
}

// Uneven returns what a region of the catalog has more or less of than the others, what is in a region that the
// catalog does not name, and what does not say its region and would land in the provider's.
func Uneven(p *Plan, catalog *regions.Set) []string {
	var out []string
	counts := map[string]map[string]int{} // by kind, then by region
	for _, c := range p.managed() {
		region := c.text("region")
		if region == "unknown" {
			out = append(out, c.Address+": does not say its region")
			continue
		}
		_, atHome := once()[c.kind()]
		_, pair := once()[c.Type]
		if region == "" || atHome || pair {
			continue
		}
		if counts[c.kind()] == nil {
			counts[c.kind()] = map[string]int{}
		}
		counts[c.kind()][region]++
		if _, known := catalog.Lookup(regions.Name(region)); !known {
			out = append(out, fmt.Sprintf("%s: is in %s, which the region catalog does not name", c.Address, region))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		want := slices.Max(slices.Collect(maps.Values(counts[kind])))
		for _, name := range catalog.Names() {
			if n := counts[kind][string(name)]; n != want {
				out = append(out, fmt.Sprintf("%s: %d in %s, %d in another region", kind, n, name, want))
			}
		}
	}
	return out
}

// paths are the ways that must be open in each region, by the rule that opens each: what a page tells somebody to do, or what a
// part cannot work without.
func paths() map[string]string {
	group := `module.region["%s"].module.firewall.aws_vpc_security_group_ingress_rule.this[%q]`
	return map[string]string{
		"callers to the edge's load balancer":            fmt.Sprintf(group, "%s", "edge-tcp-443-world"),
		"the load balancer to edges":                     fmt.Sprintf(group, "%s", "nodes-tcp-8443-edge"),
		"stacks to SQL":                                  fmt.Sprintf(group, "%s", "sql-tcp-26257-pods"),
		"SQL's load balancer to the database":            fmt.Sprintf(group, "%s", "database-tcp-26257-sql"),
		"stacks to the cache":                            fmt.Sprintf(group, "%s", "cache-tcp-6379-pods"),
		"workers to MSK":                                 fmt.Sprintf(group, "%s", "kafka-tcp-9096-pods"),
		"operators through the tunnel to Kubernetes":     `module.region["%s"].aws_vpc_security_group_ingress_rule.operators`,
		"agents to Consul's servers of their own region": fmt.Sprintf(group, "%s", "consul-tcp-8300-pods"),
	}
}

// Unreachable returns the ways that the plan does not open.
func Unreachable(p *Plan, catalog *regions.Set) []string {
	open := map[string]bool{}
	for _, c := range p.managed("aws_vpc_security_group_ingress_rule") {
		open[c.Address] = true
	}
	var out []string
	for _, name := range catalog.Names() {
		for way, rule := range paths() {
			if address := fmt.Sprintf(rule, name); !open[address] {
				out = append(out, fmt.Sprintf("%s: %s: there is no rule %s", name, way, address))
			}
		}
		for _, other := range catalog.Names() {
			for way, from := range map[string]string{"edges to Consul": "consul-tcp-8501-pods-", "edges to stacks": "nodes-tcp-8080-pods-"} {
				address := fmt.Sprintf(`module.region["%s"].module.firewall.aws_vpc_security_group_ingress_rule.this["%s%s"]`, name, from, other)
				if name != other && !open[address] {
					out = append(out, fmt.Sprintf("%s: %s from %s: there is no rule %s", name, way, other, address))
				}
			}
		}
	}
	return out
}

// Refused returns what AWS would refuse and the provider's schema does not show: names that are too long, letters that
// a description may not have.
func Refused(p *Plan) []string {
	var out []string
	for kind, limit := range map[string]int{"aws_lb": 32, "aws_lb_target_group": 32, "aws_iam_role": 64, "aws_iam_instance_profile": 128, "aws_s3_bucket": 63, "aws_globalaccelerator_accelerator": 64} {
		for _, c := range p.managed(kind) {
			if name := c.text("name") + c.text("bucket"); len(name) > limit {
				out = append(out, fmt.Sprintf("%s: the name %q has %d letters, %d may be", c.Address, name, len(name), limit))
			}
		}
	}
	for _, c := range p.managed("aws_elasticache_replication_group") {
		if id := c.text("replication_group_id"); len(id) > 40 {
			out = append(out, fmt.Sprintf("%s: the name %q has %d letters, 40 may be", c.Address, id, len(id)))
		}
	}
	for _, c := range p.managed("aws_security_group", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule") {
		if text := c.text("description"); len(text) > 255 || strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(describable, r) }) {
			out = append(out, fmt.Sprintf("%s: the description %q has a letter that EC2 refuses, or too many", c.Address, text))
		}
	}
	return out
}

const describable = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*"
