# The plan of the smaller size, held against the region catalog: whatever regions it names, all of them have it all.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "random" {}

mock_provider "tls" {}

variables {
  environment            = "test"
  domain                 = "shop.example.com"
  zone_id                = "Z0123456789ABCDEFGHIJ"
  image                  = "registry.example.com/meridian:v1.4.0"
  admin_role_arns        = ["arn:aws:iam::111122223333:role/operators"]
  cockroach_license      = "crl-0-EXAMPLEEXAMPLEEXAMPLE"
  cockroach_organization = "Example"
  cockroach_release      = { version = "v26.2.0", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  consul_release         = { version = "1.22.7", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
}

run "three_of_everything_in_every_region" {
  command = plan


  assert {
    condition     = toset(output.regions) == toset([for r in yamldecode(file("../regions/regions.yaml")).regions : r.name])
    error_message = "the regions are not those of the catalog: ${join(", ", output.regions)}"
  }

  assert {
    condition     = local.primary == yamldecode(file("../regions/regions.yaml")).regions[0].name
    error_message = "the primary is not the catalog's first region, which `meridian migrate` makes the database's primary"
  }

  assert {
    condition = alltrue([for part in [
      module.region, module.observability, module.database.sql, module.database.buckets, module.database.instances,
      module.consul.names, module.consul.instances, output.endpoints.regions, output.dashboards, output.kubeconfig, output.tunnels, local.overlays,
    ] : toset(keys(part)) == toset([for r in yamldecode(file("../regions/regions.yaml")).regions : r.name])])
    error_message = "a region of the catalog lacks a part"
  }

  assert {
    condition     = toset(module.global.entries) == toset([for r in yamldecode(file("../regions/regions.yaml")).regions : r.name])
    error_message = "callers cannot enter at every region: ${join(", ", module.global.entries)}"
  }


  assert {
    condition = alltrue([for r in yamldecode(file("../regions/regions.yaml")).regions : alltrue([for part in [
      module.region[r.name].data_subnets, module.region[r.name].private_route_tables, module.database.instances[r.name], module.consul.instances[r.name],
      { for z in module.region[r.name].cluster.zones : z => z },
    ] : toset(keys(part)) == toset(r.zones.aws)])])
    error_message = "a zone of the catalog lacks a subnet, route table, database node, Consul server or node group"
  }

  assert {
    condition     = length(module.database.addresses) == 3 * length(output.regions) && length(module.consul.addresses) == 3 * length(output.regions)
    error_message = "there are not three database nodes and three Consul servers for each region"
  }

  assert {
    condition     = alltrue([for s in module.consul.configuration : s.bootstrap_expect == 3 && length(s.retry_join_wan) == length(output.regions) - 1])
    error_message = "a Consul server does not wait for three, or does not look for those of every other region"
  }

  assert {
    condition     = alltrue([for zone, s in module.consul.configuration : strcontains(s.retry_join[0], "region=${s.datacenter} ") && startswith(zone, s.datacenter)])
    error_message = "a Consul server joins servers of another region than its own"
  }


  assert {
    condition     = length(distinct([for n in local.networks : n.cidr])) == length(output.regions) && alltrue([for n in local.networks : endswith(n.cidr, ".0.0/16")])
    error_message = "two regions have the same network"
  }

  assert {
    condition = length(distinct(flatten([for r in module.region : r.subnet_blocks]))) == 9 * length(output.regions) && alltrue([
      for name, r in module.region : alltrue([for b in r.subnet_blocks : startswith(b, join(".", slice(split(".", local.networks[name].cidr), 0, 2)))])
    ])
    error_message = "a subnet exists twice or is outside of its region's network"
  }

  assert {
    condition     = length(module.network.peerings) == length(output.regions) * (length(output.regions) - 1) / 2
    error_message = "the peerings are no full mesh: ${join(", ", module.network.peerings)}"
  }

  assert {
    condition     = length(module.network.routes) == 3 * length(output.regions) * (length(output.regions) - 1)
    error_message = "a private route table lacks the way to a region"
  }
}

# In the middle of an upgrade of Kubernetes, region by region.
run "closed_encrypted_and_of_one_version" {
  command = plan

  variables {
    kubernetes_version  = "1.35"
    kubernetes_versions = { eu-west-1 = "1.36" }
  }

  assert {
    condition     = alltrue([for ports in output.open_to_the_internet : toset(ports) == toset(["tcp/443-443"])])
    error_message = "open to the Internet: ${jsonencode(output.open_to_the_internet)}"
  }

  assert {
    condition = alltrue(flatten([for r in module.region : [for i in r.ingress : i.network == null ? true : anytrue([
      contains([for n in local.networks : n.cidr], i.network), contains([for n in local.networks : n.data], i.network),
      contains([for n in local.networks : n.pods], i.network), i.network == "0.0.0.0/0" && i.first == 443 && i.last == 443 && i.protocol == "tcp",
    ])]]))
    error_message = "a port is open to a network that is none of the regions'"
  }

  assert {
    condition     = alltrue(flatten([for r in module.region : [for i in r.ingress : i.first == i.last && contains(["tcp", "udp"], i.protocol)]]))
    error_message = "a rule opens a range of ports, or every protocol"
  }

  assert {
    condition     = !anytrue([for r in module.region : r.cluster.public])
    error_message = "the Kubernetes API is on the Internet although admin_cidrs is empty"
  }


  assert {
    condition     = alltrue([for v in module.database.volumes : v.encrypted && v.key != null && v.type == "gp3"])
    error_message = "a database volume is not encrypted"
  }

  assert {
    condition     = alltrue([for r in module.region : r.cache.at_rest == "true" && r.cache.in_transit && r.cache.mode == "required" && r.cache.multi_zone])
    error_message = "a cache is not encrypted at rest and in transit, or in one zone"
  }

  assert {
    condition     = alltrue([for s in module.consul.configuration : s.tls.internal_rpc.verify_incoming && s.tls.internal_rpc.verify_server_hostname && s.tls.defaults.verify_outgoing && s.acl.default_policy == "deny"])
    error_message = "a Consul server takes callers without certificate or token"
  }
  assert {
    condition = alltrue([for name, c in module.consul.certificates : c.server && contains(c.dns_names, module.consul.names[name]) && alltrue([
      for s in module.consul.addresses : contains(c.addresses, s.address) if s.region == name
    ])])
    error_message = "a Consul server's certificate does not name it as edges of other regions do"
  }

  assert {
    condition = alltrue([for s in module.consul.configuration : s.addresses.http == "127.0.0.1" && s.ports.https == 8501]) && alltrue([
      for r in module.region : length([for i in r.ingress : i if i.first == 8501]) == length(output.regions) && !anytrue([for i in r.ingress : i.first == 8500])
    ])
    error_message = "Consul is asked in clear text, or not every region may ask it over TLS"
  }

  assert {
    condition     = alltrue([for r in module.region : r.edge.internal])
    error_message = "a load balancer behind Global Accelerator can be entered by another way"
  }

  assert {
    condition     = alltrue([for name, r in module.region : toset(r.cluster.versions) == toset([name == "eu-west-1" ? "1.36" : "1.35"])])
    error_message = "an upgrade of one region moves another, or not its nodes"
  }
}
