package infrastructure

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/regions"
)

// Each case is a plan of one resource, and what the checks must say about it, in part; nothing wrong, nothing said.
func TestChecks(t *testing.T) {
	t.Parallel()
	ports := OpenPorts
	for _, c := range []struct {
		name, resource string
		check          func(*Plan) []string
		want           string
	}{
		{"443 for all", rule(`"ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "0.0.0.0/0"`), ports, ""},
		{"a private network", rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": "10.64.0.0/16"`), ports, ""},
		{"a group", rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": null, "referenced_security_group_id": "sg-1"`), ports, ""},
		{"22 for all", rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": "0.0.0.0/0"`), ports, "[tcp] [22]-[22] is open to 0.0.0.0/0"},
		{"22 for all of IPv6", rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv6": "::/0"`), ports, "is open to ::/0"},
		{"22 for half", rule(`"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": "128.0.0.0/1"`), ports, "is open to 128.0.0.0/1"},
		{"more than 443", rule(`"ip_protocol": "tcp", "from_port": 0, "to_port": 443, "cidr_ipv4": "0.0.0.0/0"`), ports, "[tcp] [0]-[443]"},
		{"443 over UDP", rule(`"ip_protocol": "udp", "from_port": 443, "to_port": 443, "cidr_ipv4": "0.0.0.0/0"`), ports, "[udp]"},
		{"everything", rule(`"ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"`), ports, "[-1] []-[]"},
		{"a rule of the old kind", resource("aws_security_group_rule", `"type": "ingress", "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["10.0.0.0/8", "0.0.0.0/0"]`), ports, "is open to 0.0.0.0/0"},
		{"a way out", resource("aws_security_group_rule", `"type": "egress", "protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]`), ports, ""},
		{"a rule inside a group", resource("aws_security_group", `"ingress": [{"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"]}]`), ports, "is open to 0.0.0.0/0"},
		{"the Kubernetes API", resource("aws_eks_cluster", `"vpc_config": [{"public_access_cidrs": ["0.0.0.0/0"]}]`), ports, "Kubernetes API"},
		{"a public machine", resource("aws_instance", `"associate_public_ip_address": true`), ports, "public address"},
		{"an SSH key", resource("aws_instance", `"key_name": "ada"`), ports, "SSH key"},

		{"an encrypted volume", resource("aws_ebs_volume", `"encrypted": true, "kms_key_id": "k"`), Unencrypted, ""},
		{"a key that is not known yet", `{"address": "x.y", "mode": "managed", "type": "aws_ebs_volume", "change": {"after": {"encrypted": true}, "after_unknown": {"kms_key_id": true}}}`, Unencrypted, ""},
		{"a clear volume", resource("aws_ebs_volume", `"encrypted": false, "kms_key_id": "k"`), Unencrypted, "encrypted is false"},
		{"a volume by default", resource("aws_ebs_volume", `"kms_key_id": "k"`), Unencrypted, "encrypted is not set"},
		{"a machine's clear disk", resource("aws_instance", `"root_block_device": [{"encrypted": false, "kms_key_id": "k"}], "metadata_options": [{"http_tokens": "required"}]`), Unencrypted, "root_block_device.encrypted is false"},
		{"metadata for everyone", resource("aws_instance", `"root_block_device": [{"encrypted": true, "kms_key_id": "k"}], "metadata_options": [{"http_tokens": "optional"}]`), Unencrypted, "http_tokens is optional"},
		{"an open bucket", resource("aws_s3_bucket", ``), Unencrypted, "1 buckets, but 0 of aws_s3_bucket_public_access_block"},
		{"a long name", resource("aws_lb", `"name": "meridian-production-ap-southeast-1-edge"`), Refused, "has 39 letters, 32 may be"},
		{"an apostrophe", rule(`"description": "the region's own"`), Refused, "that EC2 refuses"},
		{"a plain description", rule(`"description": "SASL/SCRAM over TLS: workers"`), Refused, ""},
		{"a key that stays the same", resource("aws_kms_key", `"policy": "p", "enable_key_rotation": false`), Unencrypted, "enable_key_rotation is false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := ReadPlan(strings.NewReader(`{"resource_changes": [` + c.resource + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(c.check(p), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}

func TestUneven(t *testing.T) {
	t.Parallel()
	in := func(address, region string) string {
		return `{"address": ` + strconv.Quote(address) + `, "mode": "managed", "type": "aws_vpc", "change": {"after": {"region": "` + region + `"}, "after_unknown": {}}}`
	}
	even := []string{in(`module.a["us-east-1"].aws_vpc.x`, "us-east-1"), in(`module.a["eu-west-1"].aws_vpc.x`, "eu-west-1"), in(`module.a["ap-southeast-1"].aws_vpc.x`, "ap-southeast-1")}
	for _, c := range []struct {
		name      string
		resources []string
		want      []string
	}{
		{"even", even, nil},
		{"one short", even[:2], []string{"module.a.aws_vpc.x: 0 in ap-southeast-1, 1 in another region"}},
		{"one of an unknown region", append(even[:3:3], in(`module.a["mars-1"].aws_vpc.x`, "mars-1")), []string{`module.a["mars-1"].aws_vpc.x: is in mars-1, which the region catalog does not name`}},
		{"no region said", append(even[:3:3], `{"address": "aws_vpc.y", "mode": "managed", "type": "aws_vpc", "change": {"after": {}, "after_unknown": {"region": true}}}`), []string{"aws_vpc.y: does not say its region"}},
		{"of the whole world", append(even[:3:3], `{"address": "aws_iam_role.y", "mode": "managed", "type": "aws_iam_role", "change": {"after": {}, "after_unknown": {}}}`), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := ReadPlan(strings.NewReader(`{"resource_changes": [` + strings.Join(c.resources, ",") + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, Uneven(p, regions.Default())); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadPlanRefusesNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", `{"resource_changes": [{"mode": "data"}]}`, "[]"} {
		if _, err := ReadPlan(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken for a plan", text)
		}
	}
}

func rule(after string) string { return resource("aws_vpc_security_group_ingress_rule", after) }

func resource(kind, after string) string {
	return `{"address": "` + kind + `.x", "mode": "managed", "type": "` + kind + `", "change": {"after": {` + after + `}, "after_unknown": {}}}`
}
