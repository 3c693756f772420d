# Every port that anything in a region listens on, in one table. Security groups of another region cannot be referred
# to, so across regions a source is the address block of what lives there.
locals {
  groups = {
    edge      = "Public network load balancer in front of the edges"
    nodes     = "Kubernetes nodes and pods, beside the group of the cluster"
    database  = "CockroachDB nodes"
    sql       = "Internal load balancer in front of CockroachDB"
    consul    = "Consul servers"
    cache     = "Valkey"
    kafka     = "Kafka brokers"
    endpoints = "Interface endpoints of AWS services"
  }

  sources = {
    internet    = { world = "0.0.0.0/0" }
    vpc         = { vpc = var.network.cidr }
    pods        = { pods = var.network.pods }
    data        = { data = var.network.data }
    every_pods  = { for name, n in var.networks : "pods-${name}" => n.pods }
    every_data  = { for name, n in var.networks : "data-${name}" => n.data }
    remote_pods = { for name, n in var.networks : "pods-${name}" => n.pods if name != var.region }
  }

  # port, or first and last; from: one of the sources, or a group.
  ingress = [
    { group = "edge", port = 443, from = "internet", why = "callers" },
    { group = "nodes", port = 8443, from = "edge", why = "edge, also its health check" },
    { group = "nodes", port = 8080, from = "remote_pods", why = "edges of other regions to stacks" },
    { group = "nodes", port = 8301, from = "consul", why = "gossip with agents" },
    { group = "nodes", port = 8301, from = "consul", protocol = "udp", why = "gossip with agents" },
    { group = "database", port = 26257, from = "every_data", why = "CockroachDB nodes of every region" },
    { group = "database", port = 26257, from = "sql", why = "SQL through the load balancer" },
    { group = "database", port = 8080, from = "sql", why = "health check" },
    { group = "database", port = 8080, from = "pods", why = "metrics for Prometheus" },
    { group = "sql", port = 26257, from = "pods", why = "SQL of stacks" },
    { group = "consul", port = 8300, from = "every_data", why = "requests between servers" },
    { group = "consul", port = 8300, from = "pods", why = "requests of agents" },
    { group = "consul", port = 8301, from = "data", why = "gossip of servers" },
    { group = "consul", port = 8301, from = "data", protocol = "udp", why = "gossip of servers" },
    { group = "consul", port = 8301, from = "pods", why = "gossip of agents" },
    { group = "consul", port = 8301, from = "pods", protocol = "udp", why = "gossip of agents" },
    { group = "consul", port = 8302, from = "every_data", why = "gossip between regions" },
    { group = "consul", port = 8302, from = "every_data", protocol = "udp", why = "gossip between regions" },
    { group = "consul", port = 8501, from = "every_pods", why = "discovery by edges of other regions, metrics for Prometheus, over TLS" },
    { group = "cache", port = 6379, from = "pods", why = "edges and stacks" },
    { group = "kafka", port = 9096, from = "pods", why = "workers: SASL/SCRAM over TLS" },
    { group = "endpoints", port = 443, from = "vpc", why = "AWS services" },
  ]

  # Nodes may reach anything by the cluster's own group; the cache, Kafka and the endpoints open no connections.
  egress = [
    { group = "edge", port = 8443, to = "pods", why = "edges" },
    { group = "sql", port = 26257, to = "data", why = "SQL" },
    { group = "sql", port = 8080, to = "data", why = "health check" },
    { group = "database", port = 26257, to = "every_data", why = "CockroachDB nodes of every region" },
    { group = "database", port = 443, to = "internet", why = "archive of the publisher, S3, secrets" },
    { group = "consul", port = 8300, to = "every_data", why = "requests between servers" },
    { group = "consul", port = 8301, to = "vpc", why = "gossip" },
    { group = "consul", port = 8301, to = "vpc", protocol = "udp", why = "gossip" },
    { group = "consul", port = 8302, to = "every_data", why = "gossip between regions" },
    { group = "consul", port = 8302, to = "every_data", protocol = "udp", why = "gossip between regions" },
    { group = "consul", port = 443, to = "internet", why = "archive of the publisher, EC2, secrets" },
  ]

  ingress_rules = merge([for r in local.ingress : {
    for label, cidr in try(local.sources[r.from], { (r.from) = null }) :
    "${r.group}-${try(r.protocol, "tcp")}-${r.port}-${label}" => {
      group    = r.group
      port     = r.port
      protocol = try(r.protocol, "tcp")
      cidr     = cidr
      from     = cidr == null ? r.from : null
      why      = r.why
    }
  }]...)

  egress_rules = merge([for r in local.egress : {
    for label, cidr in local.sources[r.to] :
    "${r.group}-${try(r.protocol, "tcp")}-${r.port}-${label}" => {
      group    = r.group
      port     = r.port
      protocol = try(r.protocol, "tcp")
      cidr     = cidr
      why      = r.why
    }
  }]...)
}

resource "aws_security_group" "this" {
  for_each = local.groups

  name                   = "${var.name}-${each.key}"
  region                 = var.region
  description            = each.value
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true # groups refer to each other: rules go first

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = local.ingress_rules

  region                       = var.region
  security_group_id            = aws_security_group.this[each.value.group].id
  description                  = each.value.why
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.port
  to_port                      = each.value.port
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.from == null ? null : aws_security_group.this[each.value.from].id
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.egress_rules

  region            = var.region
  security_group_id = aws_security_group.this[each.value.group].id
  description       = each.value.why
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.cidr
}
